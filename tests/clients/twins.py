"""Both clients have one core: `python -m tests.clients.twins` copies it from the browser's file into its twin."""

from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "clients"
BROWSER, MINI_PROGRAM, TYPES = (FOLDER / name for name in ("hub-client.js", "hub-client.wx.js", "hub-client.d.ts"))
BEGIN, END = "// --- the core: ", "// --- the end of the core "


def core_of(path: Path) -> str:
    """What stands between the two marks."""
    text = path.read_text("utf-8")
    return text[text.index(BEGIN) : text.index(END)]


def bring_in_step() -> None:
    """Copy the core into the twin."""
    twin = MINI_PROGRAM.read_text("utf-8")
    MINI_PROGRAM.write_text(twin.replace(core_of(MINI_PROGRAM), core_of(BROWSER)), "utf-8")


if __name__ == "__main__":
    bring_in_step()
