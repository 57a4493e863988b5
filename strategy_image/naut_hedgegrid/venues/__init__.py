"""Where orders go and prices come from. Nothing here knows the engine."""
