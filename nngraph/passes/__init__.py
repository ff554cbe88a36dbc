"""Changes of graphs: passes, pipelines and rewrite rules."""
