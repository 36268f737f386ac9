<?php
// A receiver of the member hub's events. PHP 8.1 or newer, no extension and no library. Copy it and write `apply`.
//
// Behind your web server it is the page that the endpoint's address names. Beside it, every minute from cron:
//   php receiver.php catch-up      reads the feed: what was missed while the page was away
//   php receiver.php show          what it has applied, as JSON
// To try it:  HUB_URL=… HUB_API_KEY=… HUB_WEBHOOK_SECRETS=… php -S 127.0.0.1:8080 receiver.php
//
// HUB_URL              https://hub.example
// HUB_WEBHOOK_SECRETS  the endpoint's secret; several, separated by spaces, while you replace one
// HUB_API_KEY          a key of the channel with the scopes feed:read and orders:read
// RECEIVER_DATA        a folder that the web server does not serve and both may write
//
// A webhook is verified, kept as a file and answered; then what is kept is applied. Each event is applied once, by its
// id; events of one subject in the order of `sequence`. Where a number is missing, the feed is read to its end: what is
// missing then was never meant for this channel. Away for longer than the hub keeps, its lists are read anew.

declare(strict_types=1);

const TOLERANCE = 300; // seconds that a signature may be old, or ahead of this clock
const LARGEST = 1_048_576; // bytes of a body
const PAGE = 100; // events of a page of the feed
const SAMPLES = '/hub/samples'; // the source of what staff send to try the address: it is no fact
const REMEMBERED = 30 * 86_400; // seconds; the hub repeats nothing that is older than 14 days

/**
 * What your shop does with an event. This one keeps a copy of each order.
 *
 * It may run again after a crash: compare versions, as here, or give what you do elsewhere `$event->id` as its key.
 * When it throws, the event is tried again and later ones of its subject wait. Unknown types are to be ignored.
 */
function apply(stdClass $event, Store $store): void
{
    if (str_starts_with($event->type, 'order.')) {
        $store->keepOrder($event->data);
    }
}

/** Standard Webhooks: one of the signatures is right under one of the secrets, and its time is near. */
function is_genuine(array $server, string $body, array $secrets, int $now): bool
{
    $id = $server['HTTP_WEBHOOK_ID'] ?? '';
    $timestamp = $server['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
    $is_near = preg_match('/^[0-9]{1,12}$/D', $timestamp) && abs($now - (int) $timestamp) <= TOLERANCE;
    if ($id === '' || !$is_near) {
        return false;
    }
    $offered = explode(' ', $server['HTTP_WEBHOOK_SIGNATURE'] ?? '');
    foreach ($secrets as $secret) {
        $key = base64_decode(preg_replace('/^whsec_/', '', $secret), true);
        if ($key === false || $key === '') {
            throw new RuntimeException('HUB_WEBHOOK_SECRETS: a secret is whsec_ and base64');
        }
        $right = 'v1,' . base64_encode(hash_hmac('sha256', "$id.$timestamp.$body", $key, true));
        foreach ($offered as $one) {
            if (hash_equals($right, $one)) {
                return true;
            }
        }
    }
    return false;
}

/** The stream of an event and its place there. One without a sequence stands alone. */
function place_of(mixed $event): array
{
    $id = $event->id ?? null;
    if (!is_string($id) || !preg_match('/^[0-9A-Za-z_-]{1,64}$/D', $id) || !is_string($event->type ?? null)) {
        throw new UnexpectedValueException('This is no event');
    }
    if (!isset($event->sequence)) {
        return ["event/$id", 1];
    }
    if (!is_string($event->subject ?? null) || !preg_match('/^[0-9]{1,18}$/D', (string) $event->sequence)) {
        throw new UnexpectedValueException('This is no event');
    }
    return [$event->subject, (int) $event->sequence];
}

/** What was received, what was applied, and how far the feed was read: files, each written whole or not at all. */
final class Store
{
    public function __construct(public readonly string $folder)
    {
        foreach (['waiting', 'seen', 'subjects', 'orders'] as $name) {
            if (!is_dir("$folder/$name") && !@mkdir("$folder/$name", 0o700, true) && !is_dir("$folder/$name")) {
                throw new RuntimeException("$folder cannot be written");
            }
        }
    }

    /** Keep an event unless it is known; on disk when this returns. */
    public function keep(stdClass $event): void
    {
        [$subject, $sequence] = place_of($event);
        if (is_file("$this->folder/seen/$event->id")) {
            return;
        }
        $queue = "$this->folder/waiting/" . sha1($subject);
        if (!is_dir($queue)) {
            @mkdir($queue, 0o700);
        }
        $this->write(sprintf('%s/%018d-%s.json', $queue, $sequence, $event->id), self::json($event));
    }

    /** Ids that wait. */
    public function waiting(): array
    {
        return array_map(fn ($path) => substr(basename($path, '.json'), 19), glob("$this->folder/waiting/*/*.json"));
    }

    /** What waits, by subject: folders. */
    public function queues(): array
    {
        return glob("$this->folder/waiting/*", GLOB_ONLYDIR);
    }

    /** Apply the next event of a subject. False when there is none, or one before it is missing. */
    public function applyNext(string $queue, callable $is_whole): bool
    {
        $path = glob("$queue/*.json")[0] ?? null;
        if ($path === null) {
            return false;
        }
        $event = json_decode(file_get_contents($path), flags: JSON_THROW_ON_ERROR);
        [$subject, $sequence] = place_of($event);
        $last = $this->applied(basename($queue))->applied ?? 0;
        if ($sequence > $last + 1 && !$is_whole($event->id)) {
            return false;
        }
        $state = $sequence <= $last ? 'late' : 'applied'; // late: a later one was applied, this one is history
        if ($state === 'applied') {
            apply($event, $this);
            $mark = ['name' => $subject, 'applied' => $sequence];
            $this->write("$this->folder/subjects/" . basename($queue), self::json($mark));
        }
        $this->write("$this->folder/seen/$event->id", $state);
        unlink($path);
        error_log("$state $subject $sequence $event->id");
        return true;
    }

    public function cursor(): string
    {
        return (string) @file_get_contents("$this->folder/cursor");
    }

    public function keepCursor(string $cursor): void
    {
        $this->write("$this->folder/cursor", $cursor);
    }

    /** Keep an order as it is now, from an event or a list, unless a newer one is known. */
    public function keepOrder(stdClass $order): void
    {
        $path = "$this->folder/orders/" . rawurlencode($order->number);
        if (!is_file($path) || $order->version > json_decode(file_get_contents($path))->version) {
            $this->write($path, self::json($order));
        }
    }

    /** Drop what is too old to be repeated. */
    public function forget(): void
    {
        foreach (glob("$this->folder/seen/*") as $path) {
            if (filemtime($path) < time() - REMEMBERED) {
                unlink($path);
            }
        }
    }

    public function shown(): array
    {
        $states = array_map(file_get_contents(...), glob("$this->folder/seen/*"));
        $subjects = $orders = [];
        foreach (glob("$this->folder/subjects/*") as $path) {
            $mark = $this->applied(basename($path));
            $subjects[$mark->name] = $mark->applied;
        }
        foreach (glob("$this->folder/orders/*") as $path) {
            $order = json_decode(file_get_contents($path));
            $orders[$order->number] = $order->status;
        }
        return [
            'applied' => count(array_keys($states, 'applied', true)),
            'late' => count(array_keys($states, 'late', true)),
            'waiting' => count($this->waiting()),
            'cursor' => $this->cursor(),
            'subjects' => (object) $subjects,
            'orders' => (object) $orders,
        ];
    }

    private function applied(string $name): ?stdClass
    {
        $text = @file_get_contents("$this->folder/subjects/$name");
        return $text === false ? null : json_decode($text);
    }

    private function write(string $path, string $text): void
    {
        $fresh = "$this->folder/" . bin2hex(random_bytes(8)) . '.new';
        $file = fopen($fresh, 'x');
        $is_kept = $file && fwrite($file, $text) === strlen($text) && fflush($file) && fsync($file) && fclose($file);
        if (!$is_kept || !rename($fresh, $path)) {
            throw new RuntimeException("$path cannot be written");
        }
    }

    private static function json(mixed $value): string
    {
        return json_encode($value, JSON_UNESCAPED_UNICODE | JSON_UNESCAPED_SLASHES | JSON_THROW_ON_ERROR);
    }
}

/** Applies what is kept, one process at a time, and reads the feed where something is missing. */
final class Worker
{
    public function __construct(private Store $store, private string $hub, private string $key)
    {
    }

    /** Look now. When another process is at it, that one looks once more. Throws when the hub is away. */
    public function work(bool $is_asked_to_read = false): void
    {
        [$again, $trouble] = ["{$this->store->folder}/again", null];
        touch($again);
        while (is_file($again)) {
            $lock = fopen("{$this->store->folder}/lock", 'c');
            if (!flock($lock, $is_asked_to_read ? LOCK_EX : LOCK_EX | LOCK_NB)) {
                return;
            }
            @unlink($again);
            try {
                $this->apply(fn () => false);
                if ($is_asked_to_read || $this->store->waiting()) {
                    $this->catchUp();
                }
            } catch (Exception $error) { // what is kept stays, and is tried again at the next look
                $trouble = $error;
            }
            $is_asked_to_read = false;
            flock($lock, LOCK_UN);
            clearstatcache();
        }
        if ($trouble) {
            throw $trouble;
        }
    }

    private function apply(callable $is_whole): void
    {
        foreach ($this->store->queues() as $queue) {
            try {
                while ($this->store->applyNext($queue, $is_whole)) {
                    clearstatcache();
                }
            } catch (Throwable $error) { // it is tried again; other subjects go on
                error_log("$queue is stuck: $error");
            }
        }
    }

    /** Read the feed to its end, then apply all whose predecessors must have been in it. */
    private function catchUp(): void
    {
        $whole = array_fill_keys($this->store->waiting(), true);
        do {
            $page = $this->page($this->store->cursor());
            foreach ($page->results as $event) {
                $this->store->keep($event);
                $whole[$event->id] = true;
            }
            $this->store->keepCursor($page->cursor);
        } while ($page->has_more);
        $this->apply(fn (string $id) => isset($whole[$id]));
    }

    /** The events after a cursor; none, and another cursor, when the hub has forgotten some of them. */
    private function page(string $cursor): stdClass
    {
        $page = $this->ask('feed', ['limit' => PAGE] + ($cursor === '' ? [] : ['after' => $cursor]));
        if (($page->code ?? '') !== 'resync_required') {
            return $page;
        }
        error_log('away for too long: reading the state anew');
        $this->readAnew();
        return (object) ['results' => [], 'cursor' => $page->head, 'has_more' => true];
    }

    /** Keep all orders as they are now. If you keep members, fetch those you know here as well. */
    private function readAnew(): void
    {
        for ($query = ['limit' => PAGE]; $query; ) {
            $page = $this->ask('orders', $query);
            foreach ($page->results as $order) {
                $this->store->keepOrder($order);
            }
            parse_str((string) parse_url($page->next ?? '', PHP_URL_QUERY), $query);
        }
    }

    private function ask(string $path, array $query): stdClass
    {
        $options = ['header' => "Authorization: Bearer $this->key", 'timeout' => 15, 'follow_location' => 0];
        $context = stream_context_create(['http' => $options + ['ignore_errors' => true]]);
        $text = @file_get_contents("$this->hub/api/v1/$path?" . http_build_query($query), false, $context);
        $status = (int) substr($http_response_header[0] ?? '', 9, 3);
        if ($text === false || ($status !== 200 && $status !== 410)) {
            throw new RuntimeException("The hub does not answer: $status " . (error_get_last()['message'] ?? ''));
        }
        return json_decode($text, flags: JSON_THROW_ON_ERROR);
    }
}

/** POST: 204 when the event is kept, 401 when it is not the hub's. */
function receive(Store $store, array $secrets): int
{
    if ($_SERVER['REQUEST_METHOD'] !== 'POST') {
        return 405;
    }
    $body = (string) file_get_contents('php://input', length: LARGEST + 1);
    if (strlen($body) > LARGEST) {
        return 413;
    }
    if (!is_genuine($_SERVER, $body, $secrets, time())) {
        return 401;
    }
    try {
        $event = json_decode($body, flags: JSON_THROW_ON_ERROR);
        place_of($event);
        if (($event->source ?? '') !== SAMPLES) {
            $store->keep($event);
        }
    } catch (JsonException | TypeError | UnexpectedValueException) {
        return 400;
    }
    return 204;
}

/** Send the answer now; what follows, the sender does not wait for. */
function answer(int $status): void
{
    ignore_user_abort(true);
    http_response_code($status);
    if ($status !== 204) {
        header('Content-Length: 0');
    }
    if (function_exists('fastcgi_finish_request')) {
        fastcgi_finish_request();
    } else {
        while (ob_get_level() > 0) {
            ob_end_flush();
        }
        flush();
    }
}

function main(array $arguments): void
{
    ini_set('display_errors', PHP_SAPI === 'cli' ? '1' : '0');
    set_time_limit(300);
    $folder = getenv('RECEIVER_DATA') ?: throw new RuntimeException('RECEIVER_DATA names no folder');
    $store = new Store($folder);
    $worker = new Worker($store, rtrim((string) getenv('HUB_URL'), '/'), (string) getenv('HUB_API_KEY'));
    if (PHP_SAPI === 'cli') {
        if (($arguments[1] ?? '') === 'show') {
            echo json_encode($store->shown(), JSON_THROW_ON_ERROR), "\n";
        } elseif (($arguments[1] ?? '') === 'catch-up') {
            $store->forget();
            try {
                $worker->work(is_asked_to_read: true);
            } catch (Exception $error) {
                fwrite(STDERR, $error->getMessage() . "\n");
                exit(1);
            }
        } else {
            exit("php receiver.php catch-up | show\n");
        }
        return;
    }
    try {
        $status = receive($store, preg_split('/\s+/', (string) getenv('HUB_WEBHOOK_SECRETS'), -1, PREG_SPLIT_NO_EMPTY));
    } catch (Throwable $error) { // not kept: the hub sends it again
        error_log((string) $error);
        $status = 500;
    }
    answer($status);
    if ($status === 204) {
        try {
            $worker->work();
        } catch (Throwable $error) { // it is kept; the next look goes on
            error_log($error->getMessage());
        }
    }
}

main($argv ?? []);
