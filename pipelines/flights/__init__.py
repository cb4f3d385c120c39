"""Which of tomorrow's flights out of New York will arrive late, asked two hours before each is due to leave.

One module per step of `pipelines/flights.yaml`, so that an edit to one makes only its own step run again.
`tables.py`, `schema.py`, `families.py` and `scores.py` are what several of them share.
"""
