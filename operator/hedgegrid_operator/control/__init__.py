"""Between operator and pod: what to send (plan), how (client), and by whom (courier)."""
