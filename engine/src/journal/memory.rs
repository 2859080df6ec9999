//! A journal that lives as long as the process: for tests and for trying things out.
