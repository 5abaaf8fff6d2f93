//! How each record becomes a row: for each table the list of columns, and what puts a row's fields in that order.

pub mod dead_letter;
pub mod reading;
pub mod roll_up;
pub mod window;
