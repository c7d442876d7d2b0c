"""The demo: a trading day played against the sandbox shop, judged from the shop's own books."""

from app.demo.play import play_day

__all__ = ["play_day"]
