//! Sockets from outside: under a foreign executor, on a loop driven by hand, and
//! under faults. Names that begin with an identifier belong to the catalogue
//! of features or to the battery of cases.

mod accepting;
mod by_hand;
mod closing;
mod connecting;
mod copying;
mod datagrams;
mod halves;
mod injected;
mod options;
mod support;
mod transfer;
mod unix;
mod unix_datagrams;
mod unix_files;
