"""prepare.py SOURCE TRAIN TEST SEED: part the lines of a table at random."""

import random
import sys

source, train, test, seed = sys.argv[1:]
with open(source) as file:
    lines = file.readlines()
random.Random(int(seed)).shuffle(lines)
for path, part in ((train, lines[10:]), (test, lines[:10])):
    with open(path, "w") as file:
        file.writelines(part)
print(len(lines), "lines")
