/** QR codes (byte mode, error correction L, versions 1–15), drawn as one SVG path. */
import { svg } from "./dom.js";

const ECC = [0, 7, 10, 15, 20, 26, 18, 20, 24, 30, 18, 20, 24, 26, 30, 22];
const BLOCKS = [0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 4, 4, 4, 4, 4, 6];

/** @param {string} text @param {string} className */
export function qrCode(text, className) {
  const cells = matrix(new TextEncoder().encode(text));
  const dark = cells.flatMap((row, y) => row.map((on, x) => (on ? `M${x} ${y}h1v1h-1z` : ""))).join("");
  const size = cells.length + 8;
  return svg(`-4 -4 ${size} ${size}`, [dark], className);
}

function matrix(bytes) {
  const version = ECC.findIndex((_, v) => v && bytes.length + (v < 10 ? 2 : 3) <= capacity(v));
  if (version < 0) throw new RangeError("too long for a QR code");
  const code = frame(version);
  place(code, interleaved(payload(bytes, version), version));
  return code.cells;
}

function rawBits(version) {
  const align = version < 2 ? 0 : Math.floor(version / 7) + 2;
  const patterns = align ? (25 * align - 10) * align - 55 : 0;
  return (16 * version + 128) * version + 64 - patterns - (version < 7 ? 0 : 36);
}

function capacity(version) {
  return (rawBits(version) >> 3) - ECC[version] * BLOCKS[version];
}

function payload(bytes, version) {
  const bits = [];
  const push = (value, length) => {
    for (let i = length - 1; i >= 0; i--) bits.push((value >> i) & 1);
  };
  push(4, 4);
  push(bytes.length, version < 10 ? 8 : 16);
  bytes.forEach((byte) => push(byte, 8));
  const room = capacity(version) * 8;
  push(0, Math.min(4, room - bits.length));
  push(0, (8 - (bits.length % 8)) % 8);
  for (let pad = 0xec; bits.length < room; pad ^= 0xec ^ 0x11) push(pad, 8);
  return Array.from({ length: room / 8 }, (_, i) => parseInt(bits.slice(i * 8, i * 8 + 8).join(""), 2));
}

function interleaved(data, version) {
  const [count, ecc] = [BLOCKS[version], ECC[version]];
  const raw = rawBits(version) >> 3;
  const short = Math.floor(raw / count) - ecc;
  const shorts = count - (raw % count);
  const blocks = [];
  for (let i = 0, at = 0; i < count; i++)
    at += blocks[blocks.push(data.slice(at, at + short + (i < shorts ? 0 : 1))) - 1].length;
  const tails = blocks.map((block) => remainder(block, generator(ecc)));
  const columns = (rows, length) =>
    Array.from({ length }, (_, i) => rows.map((row) => row[i]))
      .flat()
      .filter((b) => b !== undefined);
  return [...columns(blocks, short + 1), ...columns(tails, ecc)];
}

function times(x, y) {
  let z = 0;
  for (let i = 7; i >= 0; i--) z = (z << 1) ^ ((z >>> 7) * 0x11d) ^ (((y >>> i) & 1) * x);
  return z;
}

function generator(degree) {
  const result = [...Array(degree - 1).fill(0), 1];
  for (let i = 0, root = 1; i < degree; i++, root = times(root, 2)) {
    for (let j = 0; j < degree; j++) result[j] = times(result[j], root) ^ (result[j + 1] ?? 0);
  }
  return result;
}

function remainder(data, divisor) {
  const result = divisor.map(() => 0);
  for (const byte of data) {
    const factor = byte ^ result.shift();
    result.push(0);
    divisor.forEach((coefficient, i) => (result[i] ^= times(coefficient, factor)));
  }
  return result;
}

function frame(version) {
  const size = version * 4 + 17;
  const cells = Array.from({ length: size }, () => Array(size).fill(false));
  const fixed = Array.from({ length: size }, () => Array(size).fill(false));
  const set = (x, y, on) => {
    if (x < 0 || y < 0 || x >= size || y >= size) return;
    cells[y][x] = Boolean(on);
    fixed[y][x] = true;
  };
  for (let i = 0; i < size; i++) [set(6, i, i % 2 === 0), set(i, 6, i % 2 === 0)];
  for (const [x, y] of [
    [3, 3],
    [size - 4, 3],
    [3, size - 4],
  ])
    square(set, x, y, 4, (d) => d !== 2 && d !== 4);
  alignments(version, size).forEach(([x, y]) => square(set, x, y, 2, (d) => d !== 1));
  format(set, size);
  if (version >= 7) versionBits(set, version, size);
  return { cells, fixed, size };
}

function square(set, x, y, radius, isDark) {
  for (let dy = -radius; dy <= radius; dy++) {
    for (let dx = -radius; dx <= radius; dx++) set(x + dx, y + dy, isDark(Math.max(Math.abs(dx), Math.abs(dy))));
  }
}

function alignments(version, size) {
  if (version < 2) return [];
  const count = Math.floor(version / 7) + 2;
  const step = Math.ceil((version * 4 + 4) / (count * 2 - 2)) * 2;
  const at = [6, ...Array.from({ length: count - 1 }, (_, i) => size - 7 - step * (count - 2 - i))];
  const last = count - 1;
  const finder = (i, j) => (i === 0 && j === 0) || (i === 0 && j === last) || (i === last && j === 0);
  return at.flatMap((x, i) => at.map((y, j) => (finder(i, j) ? null : [x, y]))).filter(Boolean);
}

function format(set, size) {
  const data = 1 << 3; // level L, mask 0
  let rest = data;
  for (let i = 0; i < 10; i++) rest = (rest << 1) ^ ((rest >>> 9) * 0x537);
  const bits = ((data << 10) | rest) ^ 0x5412;
  const bit = (i) => (bits >>> i) & 1;
  for (let i = 0; i <= 5; i++) set(8, i, bit(i));
  [set(8, 7, bit(6)), set(8, 8, bit(7)), set(7, 8, bit(8))];
  for (let i = 9; i < 15; i++) set(14 - i, 8, bit(i));
  for (let i = 0; i < 8; i++) set(size - 1 - i, 8, bit(i));
  for (let i = 8; i < 15; i++) set(8, size - 15 + i, bit(i));
  set(8, size - 8, true);
}

function versionBits(set, version, size) {
  let rest = version;
  for (let i = 0; i < 12; i++) rest = (rest << 1) ^ ((rest >>> 11) * 0x1f25);
  const bits = (version << 12) | rest;
  for (let i = 0; i < 18; i++) {
    const [a, b] = [size - 11 + (i % 3), Math.floor(i / 3)];
    [set(a, b, (bits >>> i) & 1), set(b, a, (bits >>> i) & 1)];
  }
}

function place({ cells, fixed, size }, bytes) {
  let i = 0;
  for (let right = size - 1; right >= 1; right -= 2) {
    if (right === 6) right = 5;
    for (let step = 0; step < size; step++) {
      const y = ((right + 1) & 2) === 0 ? size - 1 - step : step;
      for (const x of [right, right - 1]) {
        if (fixed[y][x]) continue;
        const bit = i < bytes.length * 8 && (bytes[i >> 3] >>> (7 - (i & 7))) & 1;
        cells[y][x] = Boolean(bit) !== ((x + y) % 2 === 0);
        i += 1;
      }
    }
  }
}
