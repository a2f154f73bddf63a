"""Elements of XML by their prefixed names."""

from lxml import etree


class Xml:
    """Makes elements from prefixed names."""

    def __init__(self, namespaces: dict[str | None, str]) -> None:
        self._namespaces = namespaces

    def __call__(self, name: str, *content: "etree._Element | str", **attributes: str) -> "etree._Element":
        prefix, _, local = name.rpartition(":")
        node = etree.Element(f"{{{self._namespaces[prefix or None]}}}{local}", attributes, nsmap=self._namespaces)
        for part in content:
            if isinstance(part, str):
                node.text = part
            else:
                node.append(part)
        return node


def serialised(root: "etree._Element") -> bytes:
    written: bytes = etree.tostring(root, encoding="UTF-8", xml_declaration=True, pretty_print=True)
    return written
