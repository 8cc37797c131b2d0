import copy
from typing import Any

from gateway.http.docs import asyncapi, page

OPENAPI: dict[str, Any] = {
    "info": {"description": "Text with `code`.\n\nSecond."},
    "paths": {
        "/x/{id}": {
            "get": {
                "operationId": "x",
                "summary": "One x",
                "security": [{"bearer": []}],
                "parameters": [
                    {
                        "name": "limit",
                        "in": "query",
                        "schema": {"type": "integer", "minimum": 1.0, "default": 50},
                    }
                ],
                "responses": {
                    "200": {
                        "description": "the x",
                        "content": {
                            "application/json": {"schema": {"$ref": "#/c/s/X"}}
                        },
                    }
                },
            }
        }
    },
    "components": {
        "schemas": {
            "X": {
                "type": "object",
                "properties": {
                    "a": {"anyOf": [{"type": "string"}, {"type": "null"}]},
                    "b": {"type": "array", "items": {"$ref": "#/c/s/X"}},
                },
                "required": ["b"],
            }
        }
    },
}


def test_a_route_is_told_with_its_parameters_and_answers() -> None:
    html = page.render(OPENAPI, asyncapi.document())
    assert "<b class='get'>GET</b> /x/{id} <span class='lock'>bearer</span>" in html
    assert "integer, ≥ 1, default <code>50</code>" in html
    assert "<td>200</td><td><a href='#shape-X'>X</a></td><td>the x</td>" in html
    assert "<p>Text with <code>code</code>.</p>\n<p>Second.</p>" in html


def test_a_shape_is_told_with_its_fields() -> None:
    html = page.render(OPENAPI, asyncapi.document())
    assert "<code>a</code></td><td>string or null</td><td>optional</td>" in html
    assert "<code>b</code></td><td>list of <a href='#shape-X'>X</a></td><td></td>" in (
        html
    )


def test_text_from_the_documents_is_escaped() -> None:
    hostile = copy.deepcopy(OPENAPI)
    hostile["info"]["description"] = "<script>alert(1)</script>"
    hostile["paths"]["/x/{id}"]["get"]["summary"] = "<img src=x>"
    html = page.render(hostile, asyncapi.document())
    assert "<script" not in html
    assert "<img" not in html
