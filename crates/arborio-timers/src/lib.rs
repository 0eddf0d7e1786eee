//! A hierarchical timer wheel, clocks, sleeps, timeouts and intervals, for any executor
