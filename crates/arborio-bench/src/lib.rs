//! Benchmarks of Arborio against its peers and a hand-written floor
