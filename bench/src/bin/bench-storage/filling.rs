//! All candidates get all rows: each batch goes to one after the other, with another one first each time.

use anyhow::Result;

use crate::arena::Arena;
use crate::source::Source;

pub(crate) async fn fill(arenas: &mut [Arena], source: &mut Source, batch_rows: i64) -> Result<()> {
    let mut from = 0;
    let mut first = 0;
    while from < source.rows {
        let with_ids = source.batch(from, batch_rows, false).await?;
        let with_number = if arenas.iter().any(|arena| arena.candidate.has_number) {
            source.batch(from, batch_rows, true).await?
        } else {
            Vec::new()
        };
        let count = arenas.len();
        for turn in 0..count {
            let arena = &mut arenas[(first + turn) % count];
            let has_number = arena.candidate.has_number;
            let bytes = if has_number { &with_number } else { &with_ids };
            arena.store(&source.columns(has_number), bytes).await?;
        }
        first += 1;
        from += batch_rows;
    }
    Ok(())
}
