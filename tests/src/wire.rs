//! Plain HTTP over TLS to the server: what was asked and what was answered, byte for byte.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use maestro_sim::json::Value;
use maestro_sim::protobuf;
use maestro_test::cluster::control_plane::ControlPlane;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// One request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// HTTP method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers besides those of the connection.
    pub headers: Vec<(String, String)>,
    /// Body, empty for none.
    pub body: Bytes,
    /// For a watch: after how long without news its answer is taken as complete.
    pub quiet: Option<Duration>,
}

impl Question {
    /// GET of a path.
    pub fn get(path: &str) -> Self {
        Self {
            method: "GET".into(),
            path: path.into(),
            headers: Vec::new(),
            body: Bytes::new(),
            quiet: None,
        }
    }

    /// The request without host and credentials.
    ///
    /// # Errors
    /// When the method, path or a header is not HTTP.
    pub fn to_http(&self) -> Result<http::Request<Full<Bytes>>, http::Error> {
        let mut request = http::Request::builder().method(self.method.as_str()).uri(&self.path);
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        request.body(Full::new(self.body.clone()))
    }
}

/// One answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// HTTP status.
    pub code: u16,
    /// Headers, names in lower case; several values of one name are joined by a line end.
    pub headers: BTreeMap<String, String>,
    /// Body.
    pub body: Bytes,
}

impl Answer {
    /// The documents of the body, one, or one for each event of a watch; none when it is none
    /// of JSON, YAML and protobuf.
    pub fn documents(&self) -> Vec<Value> {
        let media = self.headers.get("content-type").map_or("", String::as_str);
        match media.strip_prefix(protobuf::MEDIA_TYPE) {
            Some(";stream=watch") => protobuf::watch::events(&self.body).unwrap_or_default(),
            Some(_) => protobuf::decode(&self.body, ("", "")).into_iter().collect(),
            None if media.starts_with("application/yaml") => {
                serde_yaml::from_slice(&self.body).into_iter().collect()
            }
            None => {
                let parsed = serde_json::Deserializer::from_slice(&self.body).into_iter::<Value>();
                parsed.collect::<Result<Vec<_>, _>>().unwrap_or_default()
            }
        }
    }

    /// Reads a whole answer, or what of a watch comes until it is quiet.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn read<B>(answer: http::Response<B>, quiet: Option<Duration>) -> Result<Self, String>
    where
        B: http_body_util::BodyExt<Data = Bytes> + Unpin,
        B::Error: std::fmt::Display,
    {
        let (parts, mut body) = answer.into_parts();
        let mut headers: BTreeMap<String, String> = BTreeMap::new();
        for (name, value) in &parts.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            let slot = headers.entry(name.as_str().to_owned()).or_default();
            if !slot.is_empty() {
                slot.push('\n');
            }
            slot.push_str(&value);
        }
        let mut bytes = Vec::new();
        loop {
            let frame = match quiet {
                Some(quiet) => match tokio::time::timeout(quiet, body.frame()).await {
                    Ok(frame) => frame,
                    Err(_) => break,
                },
                None => body.frame().await,
            };
            match frame {
                Some(Ok(frame)) => {
                    bytes.extend_from_slice(frame.data_ref().unwrap_or(&Bytes::new()));
                }
                Some(Err(error)) => return Err(error.to_string()),
                None => break,
            }
        }
        Ok(Self { code: parts.status.as_u16(), headers, body: bytes.into() })
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The connection could not be made.
    #[error("cannot connect: {0}")]
    Connect(String),
    /// The request is not HTTP.
    #[error("not a request: {0}")]
    Request(String),
    /// The exchange broke off.
    #[error("broke off: {0}")]
    Exchange(String),
}

/// Where an API server is, and how one gets in.
#[derive(Clone)]
pub struct Endpoint {
    port: u16,
    token: String,
    tls: Arc<ClientConfig>,
}

impl Endpoint {
    /// The API of a control plane.
    ///
    /// # Errors
    /// When its certificate is none.
    pub fn of(plane: &ControlPlane) -> Result<Self, String> {
        Self::new(plane.port(), plane.token(), plane.certificate())
    }

    /// An endpoint on the loopback interface that shows the certificate given, in DER.
    ///
    /// # Errors
    /// When the certificate is none.
    pub fn new(port: u16, token: &str, certificate: &[u8]) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(certificate.to_vec())).map_err(|e| e.to_string())?;
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| e.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { port, token: token.to_owned(), tls: Arc::new(tls) })
    }
}

/// One connection, used for one request after another.
pub struct Connection {
    endpoint: Endpoint,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// When nobody listens or the other side is not who it should be.
    pub async fn open(endpoint: &Endpoint) -> Result<Self, Failure> {
        let connect = |e: &dyn std::fmt::Display| Failure::Connect(e.to_string());
        let address = ("127.0.0.1", endpoint.port);
        let stream = TcpStream::connect(address).await.map_err(|e| connect(&e))?;
        stream.set_nodelay(true).map_err(|e| connect(&e))?;
        let name = ServerName::try_from("127.0.0.1").map_err(|e| connect(&e))?;
        let tls = TlsConnector::from(Arc::clone(&endpoint.tls));
        let stream = tls.connect(name, stream).await.map_err(|e| connect(&e))?;
        let (sender, driver) = handshake(TokioIo::new(stream)).await.map_err(|e| connect(&e))?;
        tokio::spawn(driver);
        Ok(Self { endpoint: endpoint.clone(), sender })
    }

    /// Asks, and leaves the answer to be read as it comes. The connection is of no other use then.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn follow(
        &mut self,
        question: &Question,
    ) -> Result<http::Response<hyper::body::Incoming>, Failure> {
        let request = self.request(question)?;
        let answer = self.sender.send_request(request).await;
        answer.map_err(|e| Failure::Exchange(e.to_string()))
    }

    fn request(&self, question: &Question) -> Result<http::Request<Full<Bytes>>, Failure> {
        let mut request = question.to_http().map_err(|e| Failure::Request(e.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(HOST, http::HeaderValue::from_static("127.0.0.1"));
        let bearer = format!("Bearer {}", self.endpoint.token);
        let bearer = bearer.parse().map_err(|_| Failure::Request("token".into()))?;
        // A question may come from somebody else.
        headers.entry(AUTHORIZATION).or_insert(bearer);
        Ok(request)
    }

    /// Asks and reads the answer. A watch takes the connection with it: another is opened.
    ///
    /// # Errors
    /// When no answer comes.
    pub async fn ask(&mut self, question: &Question) -> Result<Answer, Failure> {
        if self.sender.ready().await.is_err() {
            *self = Self::open(&self.endpoint).await?;
        }
        let request = self.request(question)?;
        let exchange = async {
            let answer = self.sender.send_request(request).await.map_err(|e| e.to_string())?;
            Answer::read(answer, question.quiet).await
        };
        let answer = tokio::time::timeout(PATIENCE, exchange).await;
        let answer = answer.map_err(|_| Failure::Exchange(format!("no answer in {PATIENCE:?}")))?;
        if question.quiet.is_some() {
            *self = Self::open(&self.endpoint).await?;
        }
        answer.map_err(Failure::Exchange)
    }
}
