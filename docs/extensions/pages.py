"""Pages that are made before a build: written only where they changed, so that Sphinx reads again what is new."""

from pathlib import Path

__all__ = ["write_pages"]


def write_pages(folder: Path, pages: dict[str, str]) -> None:
    """Makes `folder` hold exactly these pages, `NAME.md` each."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.md"):
        if stale.stem not in pages:
            stale.unlink()
    for name, text in pages.items():
        path = folder / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
