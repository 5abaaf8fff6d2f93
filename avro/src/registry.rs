//! The schema registry: which id has which schema.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use schema_registry_converter::async_impl::avro::AvroDecoder;
use schema_registry_converter::async_impl::schema_registry::{SrSettings, post_schema};
use schema_registry_converter::schema_registry_common::{SchemaType, SuppliedSchema};

use crate::cache::Learnt;
use crate::registry_error::{RegistryError, lookup_error, registration_error};
use crate::schema::WriterSchema;
use crate::{RecordType, SchemaId};

/// How long one request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// How long [`Registry::resolve`] keeps asking a registry that does not answer, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two attempts, each time twice as long and jittered: at first, and at most.
const WAITS: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// Where the schemas are.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// Of an API like Confluent's, such as `http://localhost:8081/apis/ccompat/v7`.
    pub url: String,
    /// Keeps what has been learnt, so that programs start while the registry is down.
    pub cache_file: Option<PathBuf>,
}

/// A schema registry, each id asked for once. Clones share what has been learnt.
#[derive(Clone)]
pub struct Registry {
    patience: Duration,
    shared: Arc<Shared>,
}

struct Shared {
    settings: SrSettings,
    /// Lets all who want the same id wait for one request.
    fetcher: AvroDecoder,
    schemas: RwLock<HashMap<SchemaId, Arc<WriterSchema>>>,
    /// What this process has registered: it need not be asked again.
    registered: Mutex<HashMap<(String, RecordType), SchemaId>>,
    /// What the cache file says or will say.
    learnt: Mutex<Learnt>,
    cache_file: Option<PathBuf>,
}

impl Registry {
    /// The registry of `config`, with what its cache file says; asks for nothing yet.
    ///
    /// # Errors
    /// [`RegistryError::Settings`] when there can be no registry at such an address, or TLS cannot be set up.
    pub fn new(config: RegistryConfig) -> Result<Self, RegistryError> {
        let url = config.url.trim_end_matches('/');
        if !["http://", "https://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            let cause = format!("'{url}' is no address, http://… or https://… is wanted");
            return Err(RegistryError::Settings(cause));
        }
        let settings = SrSettings::new_builder(url.to_owned())
            .set_timeout(REQUEST_TIMEOUT)
            .build()
            .map_err(|error| RegistryError::Settings(error.cause.unwrap_or(error.error)))?;
        let learnt = match &config.cache_file {
            Some(file) => Learnt::load(file, url),
            None => Learnt::nothing(url),
        };
        let shared = Shared {
            fetcher: AvroDecoder::new(settings.clone()),
            settings,
            schemas: RwLock::new(parsed(&learnt.schemas)),
            registered: Mutex::default(),
            learnt: Mutex::new(learnt),
            cache_file: config.cache_file,
        };
        Ok(Self {
            patience: PATIENCE,
            shared: Arc::new(shared),
        })
    }

    /// The same registry for one who waits for `patience` instead of ten seconds in [`Self::resolve`].
    #[must_use]
    pub fn with_patience(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The schema of `id` if it has been learnt already, without asking anybody.
    pub fn known(&self, id: SchemaId) -> Option<Arc<WriterSchema>> {
        self.shared.known(id)
    }

    /// Takes `schema` as learnt, without asking anybody; one that is known under its id already stays.
    pub fn assume(&self, schema: WriterSchema) {
        self.shared.keep(schema);
    }

    /// The schema of `id`. Whoever asks for the same id meanwhile waits for the same answer; a registry that does not
    /// answer is asked again for ten seconds (or [`Self::with_patience`]). No error is kept: the next call asks anew.
    /// May be dropped at any await.
    ///
    /// # Errors
    /// [`RegistryError::Unavailable`], which is transient; [`RegistryError::NoSuchSchema`] and
    /// [`RegistryError::Unusable`], which are definite.
    pub async fn resolve(&self, id: SchemaId) -> Result<Arc<WriterSchema>, RegistryError> {
        if let Some(schema) = self.known(id) {
            return Ok(schema);
        }
        (|| self.shared.fetch(id))
            .retry(backoff(Some(self.patience)))
            .when(RegistryError::is_transient)
            .notify(|error, wait| tracing::warn!(schema.id = id, %error, retry_after = ?wait, "schema not found out yet"))
            .await
    }

    /// The id of the compiled-in schema of `record` for the values of `topic` (subject `<topic>-value`), which is
    /// registered if it is new. A registry that is not available is waited for, unless the cache file knows the id.
    /// May be dropped at any await.
    ///
    /// # Errors
    /// [`RegistryError::Refused`], for good.
    pub async fn register(&self, topic: &str, record: RecordType) -> Result<SchemaId, RegistryError> {
        let subject = format!("{topic}-value");
        if let Some(id) = self.shared.registered(&subject, record) {
            return Ok(id);
        }
        let cached = self.shared.cached(&subject, record);
        let answer = (|| self.shared.post(&subject, record))
            .retry(backoff(None))
            .when(|error| error.is_transient() && cached.is_none())
            .notify(|error, wait| tracing::warn!(subject, %error, retry_after = ?wait, "schema not registered yet"))
            .await;
        match (answer, cached) {
            (Err(error), Some(id)) if error.is_transient() => {
                tracing::warn!(subject, schema.id = id, %error, "schema id taken from the cache file");
                Ok(id)
            }
            (answer, _) => answer,
        }
    }
}

impl Shared {
    async fn fetch(&self, id: SchemaId) -> Result<Arc<WriterSchema>, RegistryError> {
        let fetched = self.fetcher.get_schema(id).await.map_err(|error| {
            // it keeps definite answers for good, but an id that is not there today may be there tomorrow
            self.fetcher.remove_errors_from_cache();
            lookup_error(id, &error)
        })?;
        let schema = WriterSchema::new(id, fetched.parsed.clone())
            .map_err(|cause| RegistryError::Unusable { id, cause })?;
        // not the text as it came: schemas that it refers to are written out in this one
        match serde_json::to_string(&fetched.parsed) {
            Ok(json) => self.learn(|learnt| {
                learnt.schemas.insert(id, json);
            }),
            Err(error) => tracing::warn!(schema.id = id, %error, "schema not kept in the cache file"),
        }
        Ok(self.keep(schema))
    }

    async fn post(&self, subject: &str, record: RecordType) -> Result<SchemaId, RegistryError> {
        let schema = SuppliedSchema::new(None, SchemaType::Avro, record.schema_json().to_owned());
        let id = post_schema(&self.settings, subject.to_owned(), schema)
            .await
            .map_err(|error| registration_error(subject, &error))?
            .id;
        if self.contradicts(subject, record, id) {
            tracing::warn!(
                subject,
                schema.id = id,
                "the schema registry has other ids than the cache file, which is dropped"
            );
            self.learn(Learnt::clear);
            write(&self.schemas).clear();
        }
        self.keep(WriterSchema::compiled_in(id, record));
        lock(&self.registered).insert((subject.to_owned(), record), id);
        self.learn(|learnt| {
            learnt.subjects.insert(subject.to_owned(), id);
            learnt.schemas.insert(id, record.schema_json().to_owned());
        });
        Ok(id)
    }

    fn known(&self, id: SchemaId) -> Option<Arc<WriterSchema>> {
        let schemas = self.schemas.read().unwrap_or_else(PoisonError::into_inner);
        schemas.get(&id).cloned()
    }

    /// The first one to learn an id wins, so that all have the same.
    fn keep(&self, schema: WriterSchema) -> Arc<WriterSchema> {
        let mut schemas = write(&self.schemas);
        Arc::clone(schemas.entry(schema.id()).or_insert_with(|| Arc::new(schema)))
    }

    fn registered(&self, subject: &str, record: RecordType) -> Option<SchemaId> {
        lock(&self.registered).get(&(subject.to_owned(), record)).copied()
    }

    /// The id that the cache file has for `subject`, if what it has there is the compiled-in schema.
    fn cached(&self, subject: &str, record: RecordType) -> Option<SchemaId> {
        let id = *lock(&self.learnt).subjects.get(subject)?;
        (self.known(id)?.straight() == Some(record)).then_some(id)
    }

    /// Whether the registry is not the one that was learnt from: somebody has emptied it, and it counts anew.
    fn contradicts(&self, subject: &str, record: RecordType, id: SchemaId) -> bool {
        let other_id = self.cached(subject, record).is_some_and(|cached| cached != id);
        let other_schema = self
            .known(id)
            .is_some_and(|known| known.straight() != Some(record));
        other_id || other_schema
    }

    /// Files are small and written once per id, so that nobody waits for the disk noticeably.
    fn learn(&self, change: impl FnOnce(&mut Learnt)) {
        let mut learnt = lock(&self.learnt);
        change(&mut learnt);
        if let Some(file) = &self.cache_file {
            learnt.save(file);
        }
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("patience", &self.patience)
            .finish_non_exhaustive()
    }
}

fn parsed(schemas: &BTreeMap<SchemaId, String>) -> HashMap<SchemaId, Arc<WriterSchema>> {
    let parse = |(&id, json): (&SchemaId, &String)| match WriterSchema::parse(id, json) {
        Ok(schema) => Some((id, Arc::new(schema))),
        Err(cause) => {
            tracing::warn!(
                schema.id = id,
                cause,
                "schema in the cache file is unusable, ignored"
            );
            None
        }
    };
    schemas.iter().filter_map(parse).collect()
}

fn backoff(total: Option<Duration>) -> ExponentialBuilder {
    ExponentialBuilder::new()
        .with_min_delay(WAITS.0)
        .with_max_delay(WAITS.1)
        .with_jitter()
        .without_max_times()
        .with_total_delay(total)
}

/// What these locks guard is whole between any two statements, so that a thread's panic has harmed nothing.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> std::sync::RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}
