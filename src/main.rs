//! The `polyllama` program: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    polyllama::cli::main()
}
