"""The main job shown: gateway and simulated apps as processes, the stories played through the public API only."""
