"""/docs, /openapi.json and /asyncapi.json."""
