//! The rows of each list: the same fields as in JSON, what lies deeper with its path.

use domain::Metric;

use super::{Cell, Column, Tabular};
use crate::model::{DeadLetter, Farm, Reading, Turbine, Window};

impl Tabular for Reading {
    fn columns() -> Vec<Column> {
        let mut columns = vec![
            Column::text("farm_id"),
            Column::text("turbine_id"),
            Column::time("event_time"),
            Column::integer("sequence"),
        ];
        columns.extend(Metric::ALL.map(|metric| Column::float(metric.name())));
        columns.push(Column::text("operating_status"));
        columns
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            (&self.farm_id).into(),
            (&self.turbine_id).into(),
            self.event_time.into(),
            Cell::optional(self.sequence),
            Cell::optional(self.wind_speed_mps),
            Cell::optional(self.wind_direction_deg),
            Cell::optional(self.active_power_kw),
            Cell::optional(self.theoretical_power_kw),
            Cell::optional(self.rotor_speed_rpm),
            Cell::optional(self.blade_pitch_deg),
            Cell::optional(self.nacelle_direction_deg),
            Cell::optional(self.ambient_temperature_celsius),
            Cell::optional(self.operating_status.as_ref()),
        ]
    }
}

impl Tabular for Window {
    fn columns() -> Vec<Column> {
        let mut columns = vec![
            Column::text("farm_id"),
            Column::text("turbine_id"),
            Column::time("start"),
            Column::time("end"),
            Column::text("resolution"),
            Column::integer("revision"),
            Column::text("close_reason"),
            Column::integer("reading_count"),
            Column::integer("duplicate_count"),
            Column::integer("rejected_count"),
            Column::integer("turbine_count"),
            Column::integer("unresponsive_count"),
            Column::integer("out_of_order_count"),
            Column::integer("gap_count"),
            Column::integer("off_curve_count"),
            Column::text("suspicious_clocks"),
            Column::float("completeness"),
            Column::float("energy_kwh"),
            Column::float("turbulence_intensity"),
        ];
        for metric in Metric::ALL {
            let name = |part: &str| format!("{}_{part}", metric.name());
            columns.push(Column::integer(name("count")));
            columns.push(Column::float(name("mean")));
            columns.push(Column::float(name("stddev")));
            if metric.kind() == domain::MetricKind::Direction {
                columns.push(Column::float(name("resultant")));
            }
            for extreme in ["min", "max"] {
                columns.push(Column::float(name(extreme)));
                columns.push(Column::text(name(&format!("{extreme}_turbine_id"))));
                columns.push(Column::time(name(&format!("{extreme}_time"))));
            }
        }
        columns
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells = vec![
            (&self.farm_id).into(),
            Cell::optional(self.turbine_id.as_ref()),
            self.start.into(),
            self.end.into(),
            self.resolution.as_str().into(),
            self.revision.into(),
            Cell::optional(self.close_reason.as_ref()),
            self.reading_count.into(),
            self.duplicate_count.into(),
            self.rejected_count.into(),
            self.turbine_count.into(),
            self.unresponsive_count.into(),
            self.out_of_order_count.into(),
            self.gap_count.into(),
            self.off_curve_count.into(),
            joined(self.suspicious_clocks.as_deref()),
            Cell::optional(self.completeness.flatten()),
            Cell::optional(self.energy_kwh),
            Cell::optional(self.turbulence_intensity.flatten()),
        ];
        for metric in Metric::ALL {
            let figures = self.metric(metric);
            cells.push(figures.map_or(0, |figures| figures.count).into());
            cells.push(Cell::optional(figures.and_then(|figures| figures.mean)));
            cells.push(Cell::optional(figures.and_then(|figures| figures.stddev)));
            if metric.kind() == domain::MetricKind::Direction {
                cells.push(Cell::optional(figures.and_then(|figures| figures.resultant)));
            }
            for extreme in [
                figures.map(|figures| &figures.min),
                figures.map(|figures| &figures.max),
            ] {
                cells.push(Cell::optional(extreme.map(|extreme| extreme.value)));
                cells.push(Cell::optional(extreme.map(|extreme| &extreme.turbine_id)));
                cells.push(Cell::optional(extreme.map(|extreme| extreme.event_time)));
            }
        }
        cells
    }
}

/// Ids as one cell, since none has a space in it.
fn joined(ids: Option<&[String]>) -> Cell<'_> {
    ids.filter(|ids| !ids.is_empty())
        .map_or(Cell::Null, |ids| Cell::Text(ids.join(" ").into()))
}

impl Tabular for DeadLetter {
    fn columns() -> Vec<Column> {
        vec![
            Column::text("id"),
            Column::time("appended_at"),
            Column::text("farm_id"),
            Column::text("rule"),
            Column::text("reason"),
            Column::text("field"),
            Column::text("value"),
            Column::text("bound"),
            Column::text("component"),
            Column::text("source_topic"),
            Column::integer("source_partition"),
            Column::integer("source_offset"),
            Column::time("source_timestamp"),
        ]
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let source = self.source.as_ref();
        vec![
            Cell::Text(self.id.to_string().into()),
            self.appended_at.into(),
            Cell::optional(self.farm_id.as_ref()),
            Cell::optional(self.rule.as_ref()),
            Cell::optional(self.reason.as_ref()),
            Cell::optional(self.field.as_ref()),
            Cell::optional(self.value.as_ref()),
            Cell::optional(self.bound.as_ref()),
            Cell::optional(self.component.as_ref()),
            Cell::optional(source.map(|source| &source.topic)),
            Cell::optional(source.map(|source| source.partition)),
            Cell::optional(source.map(|source| source.offset)),
            Cell::optional(source.and_then(|source| source.timestamp)),
        ]
    }
}

impl Tabular for Farm {
    fn columns() -> Vec<Column> {
        vec![
            Column::text("farm_id"),
            Column::integer("turbine_count"),
            Column::time("first_event_time"),
            Column::time("last_event_time"),
        ]
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        vec![
            (&self.farm_id).into(),
            self.turbine_count.into(),
            self.first_event_time.into(),
            self.last_event_time.into(),
        ]
    }
}

impl Tabular for Turbine {
    /// The columns of its last reading come after its own, named `latest_…`.
    fn columns() -> Vec<Column> {
        let mut columns = vec![
            Column::text("turbine_id"),
            Column::time("first_event_time"),
            Column::time("last_event_time"),
        ];
        columns.extend(Reading::columns().into_iter().skip(2).map(|column| Column {
            name: format!("latest_{}", column.name).into(),
            ..column
        }));
        columns
    }

    fn cells(&self) -> Vec<Cell<'_>> {
        let mut cells = vec![
            (&self.turbine_id).into(),
            self.first_event_time.into(),
            self.last_event_time.into(),
        ];
        let width = Self::columns().len();
        cells.extend(
            self.latest
                .iter()
                .flat_map(|latest| latest.cells().into_iter().skip(2)),
        );
        cells.resize(width, Cell::Null);
        cells
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::export::Kind;

    fn check<T: Tabular>(row: &T) {
        let (columns, cells) = (T::columns(), row.cells());
        assert_eq!(columns.len(), cells.len());
        let names: HashSet<_> = columns.iter().map(|column| &column.name).collect();
        assert_eq!(names.len(), columns.len(), "a name comes once");
        for (column, cell) in columns.iter().zip(&cells) {
            let fits = match cell {
                Cell::Null => true,
                Cell::Text(_) => column.kind == Kind::Text,
                Cell::Time(_) => column.kind == Kind::Time,
                Cell::Integer(_) => column.kind == Kind::Integer,
                Cell::Float(_) => column.kind == Kind::Float,
            };
            assert!(fits, "{column:?} {cell:?}");
        }
    }

    #[test]
    fn there_is_a_cell_for_each_column() {
        let reading = || Reading {
            farm_id: "north".to_owned(),
            turbine_id: "T1".to_owned(),
            event_time: domain::Timestamp::default(),
            sequence: Some(1),
            wind_speed_mps: Some(1.0),
            wind_direction_deg: Some(1.0),
            active_power_kw: Some(1.0),
            theoretical_power_kw: Some(1.0),
            rotor_speed_rpm: Some(1.0),
            blade_pitch_deg: Some(1.0),
            nacelle_direction_deg: Some(1.0),
            ambient_temperature_celsius: Some(1.0),
            operating_status: Some("IDLE".to_owned()),
        };
        check(&reading());
        for latest in [None, Some(reading())] {
            check(&Turbine {
                turbine_id: "T1".to_owned(),
                first_event_time: domain::Timestamp::default(),
                last_event_time: domain::Timestamp::default(),
                latest,
            });
        }
    }
}
