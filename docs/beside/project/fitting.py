"""What training and evaluation share."""


def read(path):
    with open(path) as file:
        return [tuple(float(word) for word in line.split(",")) for line in file]
