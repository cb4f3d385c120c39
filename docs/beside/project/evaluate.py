"""evaluate.py MODEL TEST METRICS: how far predictions are off on average."""

import json
import sys

from fitting import read

model, test, metrics = sys.argv[1:]
with open(model) as file:
    found = json.load(file)
points = read(test)
error = sum(abs(found["factor"] * x ** found["degree"] - y) for x, y in points) / len(points)
with open(metrics, "w") as file:
    json.dump({"error": round(error, 3)}, file)
print("error", round(error, 3))
