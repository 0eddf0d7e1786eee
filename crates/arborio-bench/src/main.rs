//! The benchmark binary: everything is in the library, see its documentation.

use std::process::ExitCode;

fn main() -> ExitCode {
    arborio_bench::main()
}
