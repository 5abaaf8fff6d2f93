//! Randomness without state: every value is a function of a seed and of where one looks, so that processes that
//! know nothing of each other see the same weather, and a run can be repeated from any point.

/// A source of random values that belongs to one thing (a farm's wind, one turbine's faults, …).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(u64);

impl Seed {
    /// The source that the user named.
    pub const fn new(seed: u64) -> Self {
        Self(mix(seed))
    }

    /// The independent source of the thing called `name`.
    pub fn of(self, name: &str) -> Self {
        Self(name.bytes().fold(mix(self.0 ^ name.len() as u64), |hash, byte| {
            mix(hash ^ u64::from(byte))
        }))
    }

    /// The independent source of the `index`-th thing.
    pub const fn at(self, index: i64) -> Self {
        Self(mix(self.0 ^ mix(index.cast_unsigned())))
    }

    /// A number in [0, 1).
    pub const fn unit(self) -> f64 {
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number in [`low`, `high`).
    pub const fn between(self, low: f64, high: f64) -> f64 {
        low + self.unit() * (high - low)
    }

    /// One of `count` choices, `0..count`.
    pub const fn choice(self, count: usize) -> usize {
        (self.0 % count as u64) as usize
    }

    /// True with this probability.
    pub fn chance(self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// A smooth curve through random heights in [−1, 1] at the whole numbers.
    fn curve(self, x: f64) -> f64 {
        let below = x.floor();
        let fraction = x - below;
        let left = self.at(below as i64).between(-1.0, 1.0);
        let right = self.at(below as i64 + 1).between(-1.0, 1.0);
        left + (right - left) * fraction * fraction * (3.0 - 2.0 * fraction)
    }
}

/// The finishing step of SplitMix64 (Steele, Lea, Flood 2014): neighbouring inputs give unrelated outputs.
const fn mix(value: u64) -> u64 {
    let z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A sum of smooth random curves, each with a period of its own: what wanders in days, hours and seconds at once.
#[derive(Debug, Clone)]
pub struct Waves<const N: usize>([Wave; N]);

#[derive(Debug, Clone, Copy)]
struct Wave {
    seed: Seed,
    per_second: f64,
    amplitude: f64,
}

impl<const N: usize> Waves<N> {
    /// Curves of these (period in seconds, amplitude).
    pub fn new(seed: Seed, waves: [(f64, f64); N]) -> Self {
        let mut index = 0;
        Self(waves.map(|(period_s, amplitude)| {
            index += 1;
            Wave {
                seed: seed.at(index),
                per_second: 1.0 / period_s,
                amplitude,
            }
        }))
    }

    /// The height at this second; within ± the sum of the amplitudes.
    pub fn at(&self, seconds: f64) -> f64 {
        self.0
            .iter()
            .map(|wave| wave.amplitude * wave.seed.curve(seconds * wave.per_second + wave.seed.unit()))
            .sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn neighbouring_seeds_are_unrelated_and_evenly_spread() {
        let mean = (0..10_000).map(|i| Seed::new(7).at(i).unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.01, "mean {mean}");
        assert_ne!(Seed::new(1).of("ab"), Seed::new(1).of("ba"));
        assert_ne!(Seed::new(1).of("a").of("b"), Seed::new(1).of("ab"));
    }

    proptest! {
        #[test]
        fn waves_are_bounded_and_smooth(seed: u64, at in 0.0..4e9_f64) {
            let waves = Waves::new(Seed::new(seed), [(1_000.0, 2.0), (60.0, 0.5)]);
            let (here, next) = (waves.at(at), waves.at(at + 0.1));
            prop_assert!(here.abs() <= 2.5);
            prop_assert!((here - next).abs() < 0.02, "{here} {next}");
        }
    }
}
