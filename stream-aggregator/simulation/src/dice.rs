//! Chance that can be repeated.

/// A sequence of numbers that its seed determines (SplitMix64), the same for ever and everywhere.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// The sequence of that seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Another sequence, so that what draws from it changes nothing for those who draw from this one.
    pub const fn fork(&mut self) -> Self {
        Self(self.next())
    }

    /// Less than `bound`.
    pub fn below(&mut self, bound: i64) -> i64 {
        // the bias of the remainder is far below what any of this could notice
        (self.next() >> 1) as i64 % bound.max(1)
    }

    /// From `least` to `most`, both included.
    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        least + self.below(most - least + 1)
    }

    /// True so many times out of a hundred.
    pub fn percent(&mut self, chance: i64) -> bool {
        self.below(100) < chance
    }

    /// True so many times out of a thousand.
    pub fn permille(&mut self, chance: i64) -> bool {
        self.below(1_000) < chance
    }

    /// One of them; there must be one.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as i64) as usize]
    }

    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}
