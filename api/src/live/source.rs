//! Where events come from, and what they are called.

use platform::Topics;

/// A topic that events come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Source {
    Readings,
    Windows,
    /// Each says that a window will be made anew.
    LateReadings,
    DeadLetters,
}

impl Source {
    pub(super) const ALL: [Self; 4] = [
        Self::Readings,
        Self::Windows,
        Self::LateReadings,
        Self::DeadLetters,
    ];

    /// Its letter in a position.
    pub(super) const fn letter(self) -> char {
        match self {
            Self::Readings => 'r',
            Self::Windows => 'w',
            Self::LateReadings => 'l',
            Self::DeadLetters => 'd',
        }
    }

    pub(super) fn from_letter(letter: char) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.letter() == letter)
    }

    pub(super) const fn topic(self, topics: &Topics) -> &String {
        match self {
            Self::Readings => &topics.readings,
            Self::Windows => &topics.farm_windows,
            Self::LateReadings => &topics.late_readings,
            Self::DeadLetters => &topics.dead_letters,
        }
    }

    pub(super) fn of_topic(topic: &str, topics: &Topics) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.topic(topics) == topic)
    }

    /// What its records are told as.
    pub(super) const fn kind(self) -> EventKind {
        match self {
            Self::Readings => EventKind::Reading,
            Self::Windows | Self::LateReadings => EventKind::Window,
            Self::DeadLetters => EventKind::DeadLetter,
        }
    }
}

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// A turbine has reported.
    Reading,
    /// A minute of a farm has closed, or was made anew.
    Window,
    /// Something was refused.
    DeadLetter,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Reading, Self::Window, Self::DeadLetter];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Reading => "reading",
            Self::Window => "window",
            Self::DeadLetter => "dead_letter",
        }
    }

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}
