"""The ways in: publisher, HTTP ingest, webhooks, timer."""
