"""Tests of the RabbitMQ transport."""
