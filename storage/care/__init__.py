"""What keeps channels in order: retention of personal data, hooks, authorizations."""
