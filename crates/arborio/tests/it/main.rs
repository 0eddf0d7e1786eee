//! What the event loop promises, seen from outside: tasks, timers and sockets
//! on one thread, driven by the real driver.

mod apply_timeout;
mod background;
mod background_ends;
mod battery;
mod blocking;
mod boxed_errors;
mod child_handles;
#[cfg(any(feature = "signal", feature = "stdio"))]
mod children;
#[cfg(feature = "signal")]
#[path = "../../examples/clock_until_ctrl_c.rs"]
mod clock_until_ctrl_c;
mod combining;
mod compile_fail;
mod concurrent;
#[cfg(feature = "signal")]
mod ctrl_c;
mod descriptors;
mod drains;
mod errors;
mod errors_told;
mod forced;
mod forks;
mod forks_team;
mod gathering;
mod groups;
mod groups_hostile;
mod groups_waiting;
mod hops;
mod hops_ends;
mod hops_loops;
mod joining;
#[path = "../../../arborio-base/tests/support/leak.rs"]
mod leak;
mod limits;
mod lingering;
mod locals;
#[cfg(feature = "macros")]
mod macros;
#[cfg(feature = "macros")]
mod macros_refused;
mod membarrier;
mod metrics;
mod names;
mod on_done;
mod panics;
mod passes;
mod refuted;
mod repeats;
mod running;
mod scheduling;
mod scopes;
mod scopes_current;
mod scopes_flags;
mod scopes_foreign;
mod scopes_free;
mod scopes_hostile;
mod scopes_local;
mod scopes_model;
mod scopes_size;
mod seeds;
mod selecting;
mod shortage;
#[cfg(feature = "signal")]
mod signals;
mod sockets;
mod stalls;
#[cfg(feature = "stdio")]
mod stdio;
mod support;
mod sync;
mod tcp;
mod tcp_echo;
mod tcp_moves;
mod thread_ends;
mod threads;
mod timers;
mod timers_real;
mod tree;
mod tree_hostile;
mod untaken;
mod virtual_clock;
mod winding;
#[allow(dead_code, reason = "the tests of the executor use all of it")]
#[path = "../../../arborio-executor/tests/it/workers.rs"]
mod workers;
