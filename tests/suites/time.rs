//! Deadlines, windows, back-out times and approvals; and wall clocks that somebody sets.
