"""train.py TRAIN MODEL DEGREE: the factor of y = factor * x ** degree."""

import json
import sys

from fitting import read

train, model, degree = sys.argv[1:]
points = read(train)
factor = sum(y / x ** int(degree) for x, y in points) / len(points)
with open(model, "w") as file:
    json.dump({"factor": factor, "degree": int(degree)}, file)
print("factor", round(factor, 3))
