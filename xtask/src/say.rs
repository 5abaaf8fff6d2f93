//! Printing for the person who typed the command.

/// As `println!`, but a reader that has gone away (`cargo xtask status | head`) is no reason to panic.
macro_rules! say {
    ($($argument:tt)*) => {{
        use std::io::Write;
        let _ = writeln!(std::io::stdout(), $($argument)*);
    }};
}
