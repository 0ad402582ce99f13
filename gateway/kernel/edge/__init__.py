"""The edge: what every HTTP answer shares. Problems, bodies, request numbers, limits, health, logs."""
