"""Chaos: everything that can break is broken, over and over, while people patch; then every book is audited.

`python -m tests.chaos --minutes 3 --seed 7` breaks operator, pods, API server and connections on a fixed schedule. What
may be wrong afterwards is judged by audit.py alone, which is pure: order logs, stores, objects in, violations out.
"""
