//! Rows of cells, whatever the file.

use std::borrow::Cow;

use domain::Timestamp;

/// What the cells of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// A point in time, to the microsecond.
    Time,
    /// A whole number.
    Integer,
    /// A number.
    Float,
}

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name: that of the field in JSON, with its path.
    pub name: Cow<'static, str>,
    /// What its cells are.
    pub kind: Kind,
}

/// A cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell<'a> {
    /// Nothing is known.
    Null,
    /// Of a column of texts.
    Text(Cow<'a, str>),
    /// Of a column of times.
    Time(Timestamp),
    /// Of a column of whole numbers.
    Integer(i64),
    /// Of a column of numbers.
    Float(f64),
}

/// Something that can be a row of a table.
pub trait Tabular {
    /// The columns, in order.
    fn columns() -> Vec<Column>;

    /// The cells, one for each column, in the same order.
    fn cells(&self) -> Vec<Cell<'_>>;
}

impl Column {
    /// Of texts.
    pub fn text(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Text)
    }

    /// Of times.
    pub fn time(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Time)
    }

    /// Of whole numbers.
    pub fn integer(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Integer)
    }

    /// Of numbers.
    pub fn float(name: impl Into<Cow<'static, str>>) -> Self {
        Self::new(name, Kind::Float)
    }

    fn new(name: impl Into<Cow<'static, str>>, kind: Kind) -> Self {
        Self {
            name: name.into(),
            kind,
        }
    }
}

impl<'a> Cell<'a> {
    /// Of what there may be.
    pub fn optional<T>(value: Option<T>) -> Self
    where
        Self: From<T>,
    {
        value.map_or(Self::Null, Self::from)
    }
}

impl<'a> From<&'a str> for Cell<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl<'a> From<&'a String> for Cell<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<Timestamp> for Cell<'_> {
    fn from(time: Timestamp) -> Self {
        Self::Time(time)
    }
}

impl From<f64> for Cell<'_> {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<i64> for Cell<'_> {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<i32> for Cell<'_> {
    fn from(number: i32) -> Self {
        Self::Integer(number.into())
    }
}

impl From<u64> for Cell<'_> {
    fn from(number: u64) -> Self {
        Self::Integer(i64::try_from(number).unwrap_or(i64::MAX))
    }
}
