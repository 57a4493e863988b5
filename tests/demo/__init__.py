"""`make demo`: the whole product does its main job, on real parts, and every step is seen to happen.

Read story.py first: it is the story. What the API server says is read by chronicle.py, what the venue says by venue.py,
and a stage shows it to a person.
"""
