def load(table):
    return {"rows": len(str(table))}
