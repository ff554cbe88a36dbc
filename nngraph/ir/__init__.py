"""The graph: types, operators, values, nodes, text, checks. Names no operator."""
