"""How good the order of steps is: the real hub with a virtual clock over task graphs of real workflows."""
