"""A Web Application Description as XML, and the same as JSON (DICOM PS3.18 Annex H; WADL of 31 August 2009).

The standard asks for both and defines the JSON nowhere. Here an element is an object: its attributes are members, its
children lists named after their elements.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from xml.etree import ElementTree as ET

_NAMESPACES: Final = {"xmlns": "http://wadl.dev.java.net/2009/02", "xmlns:xs": "http://www.w3.org/2001/XMLSchema"}
_PROBLEM: Final = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Param:
    """A parameter of a request; `options` are the values it may have, none for any."""

    name: str
    style: str = "query"
    type: str = "xs:string"
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Method:
    """One method of a resource: what it takes and gives, the first of each by default."""

    name: str
    ident: str
    params: Sequence[Param]
    takes: Sequence[str]
    gives: Sequence[str]
    success: str
    failure: str


@dataclass(frozen=True, slots=True)
class Resource:
    """A path below the base, with parameters in braces, and what may be done there."""

    path: str
    methods: Sequence[Method]


def describe(base: str, resources: Iterable[Resource]) -> ET.Element:
    """The description of a service: one tree of resources, a node a segment of a path."""
    application = ET.Element("application", _NAMESPACES)
    tree = ET.SubElement(application, "resources", {"base": f"{base}/"})
    for resource in resources:
        node = tree
        for segment in resource.path.split("/"):
            node = _child(node, segment)
        for method in resource.methods:
            _add_method(node, method)
    return application


def as_xml(application: ET.Element) -> bytes:
    written: bytes = ET.tostring(application, encoding="utf-8", xml_declaration=True)
    return written


def as_json(application: ET.Element) -> bytes:
    return json.dumps({application.tag: _members(application)}, separators=(",", ":")).encode()


def _child(parent: ET.Element, segment: str) -> ET.Element:
    for child in parent.findall("resource"):
        if child.get("path") == segment:
            return child
    made = ET.SubElement(parent, "resource", {"path": segment})
    if segment.startswith("{"):
        ET.SubElement(made, "param", {"name": segment.strip("{}"), "style": "template", "type": "xs:string"})
    return made


def _add_method(node: ET.Element, method: Method) -> None:
    made = ET.SubElement(node, "method", {"name": method.name, "id": method.ident})
    request = ET.SubElement(made, "request")
    accept = [Param("Accept", "header", options=method.gives), Param("accept", options=method.gives)]
    for param in [*accept[: 1 if method.takes else 2], *method.params]:
        _add_param(request, param)
    _add_representations(request, method.takes)
    _add_representations(ET.SubElement(made, "response", {"status": method.success}), method.gives)
    _add_representations(ET.SubElement(made, "response", {"status": method.failure}), [_PROBLEM])


def _add_param(request: ET.Element, param: Param) -> None:
    attributes = {"name": param.name, "style": param.style, "type": param.type}
    if param.style == "header":
        attributes["default"] = param.options[0]
    made = ET.SubElement(request, "param", attributes)
    for option in param.options:
        ET.SubElement(made, "option", {"value": option})


def _add_representations(parent: ET.Element, media_types: Iterable[str]) -> None:
    for media_type in media_types:
        ET.SubElement(parent, "representation", {"mediaType": media_type})


def _members(element: ET.Element) -> dict[str, Any]:  # Any: JSON
    members: dict[str, Any] = dict(element.attrib)  # Any: as above
    for child in element:
        members.setdefault(child.tag, []).append(_members(child))
    return members
