//! What the event loop promises, seen from outside: tasks, timers and sockets
//! on one thread, driven by the real driver.

mod compile_fail;
mod concurrent;
mod descriptors;
mod drains;
mod gathering;
mod groups;
mod groups_hostile;
mod groups_waiting;
mod lingering;
mod panics;
mod passes;
mod refuted;
mod repeats;
mod running;
mod scheduling;
mod scopes;
mod scopes_current;
mod scopes_flags;
mod scopes_free;
mod scopes_hostile;
mod scopes_local;
mod scopes_model;
mod scopes_size;
mod seeds;
mod shortage;
mod stalls;
mod support;
mod sync;
mod tcp;
mod tcp_echo;
mod tcp_moves;
mod threads;
mod timers;
mod timers_real;
mod virtual_clock;
