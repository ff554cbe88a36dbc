"""How loops map to hardware: one module for each kind of machine, behind one protocol."""
