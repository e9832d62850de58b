"""What Word's and PowerPoint's XML have in common. Knows nothing of documents or slides."""

from __future__ import annotations

from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_OFF = ("0", "false", "off")


def settled(root: Any) -> Any:
    """With the first alternative where the file has several for programs of different age."""
    for choice in [*root.iterdescendants(f"{_MC}AlternateContent")]:
        for node in list(choice[0]) if len(choice) else []:
            choice.addprevious(node)
        choice.getparent().remove(choice)
    return root


def child(parent: Any, tag: str) -> Any:
    """The first of Word's elements of this name in another; None if there is none."""
    return None if parent is None else parent.find(f"{W}{tag}")


def value(parent: Any, tag: str) -> str:
    """What such an element says; "" if there is none."""
    found = child(parent, tag)
    return "" if found is None else str(found.get(f"{W}val", ""))


def is_on(switch: Any) -> bool:
    return switch is not None and switch.get(f"{W}val") not in _OFF
