/**
 * The one options table. Everything that speaks of an option is derived from it: the loader, `--help`,
 * `docs/reference/configuration.md`, the chart's `values.schema.json`.
 */

export type OptionType = 'string' | 'integer' | 'boolean' | 'enum' | 'list' | 'workers';
export type OptionGroup =
	| 'Application'
	| 'Network'
	| 'Placement'
	| 'Redis'
	| 'Socket.IO'
	| 'Delivery'
	| 'Drain'
	| 'Emit API'
	| 'Operations';

interface BaseSpec {
	readonly group: OptionGroup;
	/** One or two sentences for a person. */
	readonly doc: string;
	/** Hidden by `socketfleet config`, `/status` and logs. */
	readonly secret?: true;
}
interface StringSpec extends BaseSpec {
	readonly type: 'string';
	readonly default: string;
	readonly pattern?: RegExp;
	/** Says in words what `pattern` wants. */
	readonly shape?: string;
}
interface IntegerSpec extends BaseSpec {
	readonly type: 'integer';
	readonly default: number;
	readonly min: number;
	readonly max: number;
	readonly unit: string;
}
interface BooleanSpec extends BaseSpec {
	readonly type: 'boolean';
	readonly default: boolean;
}
interface EnumSpec extends BaseSpec {
	readonly type: 'enum';
	readonly default: string;
	readonly values: readonly string[];
}
interface ListSpec extends BaseSpec {
	readonly type: 'list';
	readonly default: readonly string[];
	readonly itemPattern?: RegExp;
	readonly shape?: string;
}
interface WorkersSpec extends BaseSpec {
	readonly type: 'workers';
	readonly default: 'auto';
	readonly min: number;
	readonly max: number;
}
export type OptionSpec = StringSpec | IntegerSpec | BooleanSpec | EnumSpec | ListSpec | WorkersSpec;

const MAX_PORT = 65_535;
const HOUR_MS = 3_600_000;
const CIDR = /^[0-9a-fA-F.:]+\/\d{1,3}$/;
const REDIS_URL = /^$|^rediss?:\/\/\S+$/;
const KEY = /^$|^\S{16,}$/;

function port(defaultPort: number, doc: string): IntegerSpec {
	return { group: 'Network', type: 'integer', default: defaultPort, min: 0, max: MAX_PORT, unit: 'port', doc };
}

function durationMs(group: OptionGroup, value: number, doc: string, min = 1, max = HOUR_MS): IntegerSpec {
	return { group, type: 'integer', default: value, min, max, unit: 'ms', doc };
}

export const OPTIONS = {
	app: {
		group: 'Application',
		type: 'string',
		default: '',
		doc: 'Module of the application: exports a function of `(io, context)`, or `defineApp({ ... })`. Empty: the demo.',
	},
	fleet: {
		group: 'Application',
		type: 'string',
		default: 'default',
		pattern: /^[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?$/,
		shape: '1 to 40 of a-z, 0-9 and "-", not at the ends',
		doc: 'Name of the fleet. Pods of one name find each other; one Redis can hold several fleets.',
	},
	host: {
		group: 'Network',
		type: 'string',
		default: '',
		doc: 'Address to listen on, for every port. Empty: all, IPv4 and IPv6.',
	},
	port: port(3000, 'Public port: Socket.IO and what the application serves. 0 takes a free one.'),
	adminPort: port(9464, 'Admin port: `/livez`, `/readyz`, `/metrics`, `/status`. 0 takes a free one.'),
	internalPort: port(9465, 'Port on which the other pods of the fleet forward requests to this one. Open only with Redis.'),
	advertiseHost: {
		group: 'Network',
		type: 'string',
		default: '',
		doc: 'Address at which other pods reach this one. Empty: the first address of this host that is not loopback.',
	},
	fleetKey: {
		group: 'Network',
		type: 'string',
		default: '',
		secret: true,
		pattern: KEY,
		shape: 'at least 16 characters, no spaces',
		doc: 'Key that the pods of a fleet share; authenticates forwarding between them. Needed with Redis.',
	},
	fleetKeyPrevious: {
		group: 'Network',
		type: 'string',
		default: '',
		secret: true,
		pattern: KEY,
		shape: 'at least 16 characters, no spaces',
		doc: 'The key before the current one, still accepted while a new key is rolled out.',
	},
	workers: {
		group: 'Placement',
		type: 'workers',
		default: 'auto',
		min: 1,
		max: 64,
		doc: 'Worker processes. `auto`: one for each CPU of the cgroup quota (or of the machine), at least 1.',
	},
	placement: {
		group: 'Placement',
		type: 'enum',
		default: 'ip-hash',
		values: ['ip-hash', 'kernel'],
		doc: '`ip-hash`: the primary accepts and hands each connection to the worker of its client address. `kernel`: workers accept for themselves; cheaper, no locality.',
	},
	addressSource: {
		group: 'Placement',
		type: 'enum',
		default: 'socket',
		values: ['socket', 'proxy-protocol', 'x-forwarded-for'],
		doc: 'Where the client address is read from. Behind a proxy the peer of the socket is the proxy.',
	},
	trustedProxies: {
		group: 'Placement',
		type: 'list',
		default: ['127.0.0.0/8', '::1/128', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
		itemPattern: CIDR,
		shape: 'address blocks such as 10.0.0.0/8',
		doc: 'Blocks whose PROXY header or X-Forwarded-For is believed.',
	},
	maxHeadBytes: {
		group: 'Placement',
		type: 'integer',
		default: 16_384,
		min: 1024,
		max: 65_536,
		unit: 'bytes',
		doc: 'Largest request head; a longer one is answered 431.',
	},
	headTimeoutMs: durationMs('Placement', 5000, 'Longest wait for a whole request head or PROXY header; then 408.', 100),
	maxPendingHeads: {
		group: 'Placement',
		type: 'integer',
		default: 10_000,
		min: 10,
		max: 100_000,
		unit: 'connections',
		doc: 'Most connections whose head is still being read; the oldest is closed to take a new one.',
	},
	redisUrl: {
		group: 'Redis',
		type: 'string',
		default: '',
		secret: true,
		pattern: REDIS_URL,
		shape: 'redis:// or rediss:// and host, several separated by commas for Sentinel and Cluster',
		doc: 'Redis 6.2 or newer. Empty: no Redis, one pod, no recovery. User, password and database may be in the URL.',
	},
	redisMode: {
		group: 'Redis',
		type: 'enum',
		default: 'standalone',
		values: ['standalone', 'sentinel', 'cluster'],
		doc: 'What `redisUrl` points at: a server, Sentinels, or nodes of a Cluster.',
	},
	redisSentinelName: {
		group: 'Redis',
		type: 'string',
		default: 'mymaster',
		doc: 'Name of the master that the Sentinels watch.',
	},
	redisUsername: { group: 'Redis', type: 'string', default: '', doc: 'ACL user, if it is not in the URL.' },
	redisPassword: {
		group: 'Redis',
		type: 'string',
		default: '',
		secret: true,
		doc: 'Password, if it is not in the URL; so it can come from a Secret of its own.',
	},
	redisTlsCaFile: {
		group: 'Redis',
		type: 'string',
		default: '',
		doc: 'File with the certificate authority for `rediss://`. Empty: the ones Node trusts.',
	},
	path: {
		group: 'Socket.IO',
		type: 'string',
		default: '/socket.io/',
		pattern: /^\/[\w\-./]*$/,
		shape: 'an absolute path',
		doc: 'Path of the Socket.IO endpoint.',
	},
	pingIntervalMs: durationMs('Socket.IO', 25_000, 'Heartbeat interval; keep it below the idle timeout of every proxy in front.', 100),
	pingTimeoutMs: durationMs('Socket.IO', 20_000, 'How long a client may stay silent after a heartbeat.', 100),
	connectTimeoutMs: durationMs('Socket.IO', 45_000, 'How long a new connection may take to join a namespace.', 100),
	maxHttpBufferSize: {
		group: 'Socket.IO',
		type: 'integer',
		default: 1_000_000,
		min: 1024,
		max: 1_000_000_000,
		unit: 'bytes',
		doc: 'Largest message a client may send.',
	},
	transports: {
		group: 'Socket.IO',
		type: 'list',
		default: ['polling', 'websocket'],
		itemPattern: /^(polling|websocket)$/,
		shape: 'polling, websocket, or both',
		doc: 'Allowed transports.',
	},
	corsOrigin: {
		group: 'Socket.IO',
		type: 'list',
		default: [],
		doc: 'Origins that browsers may connect from, or `*`. Empty: same origin only.',
	},
	allowEio3: { group: 'Socket.IO', type: 'boolean', default: false, doc: 'Let Socket.IO 2 clients in.' },
	perMessageDeflate: { group: 'Socket.IO', type: 'boolean', default: false, doc: 'Compress WebSocket messages; costs memory and CPU.' },
	recovery: {
		group: 'Delivery',
		type: 'boolean',
		default: true,
		doc: 'Connection state recovery: a client that comes back within the window gets what it missed. Needs Redis.',
	},
	recoveryWindowMs: durationMs(
		'Delivery',
		120_000,
		'How long a client may be away and still be recovered; the stream is kept that long.',
		1000,
		24 * HOUR_MS,
	),
	delivery: {
		group: 'Delivery',
		type: 'enum',
		default: 'auto',
		values: ['auto', 'follow'],
		doc: 'How messages reach the workers. `auto`: Redis pushes each message to the workers that have someone for it. `follow`: each worker reads the whole stream; for a fleet with plain Socket.IO servers on its stream, and before going back a version.',
	},
	streamMaxEntries: {
		group: 'Delivery',
		type: 'integer',
		default: 1_000_000,
		min: 1000,
		max: 100_000_000,
		unit: 'entries',
		doc: 'Most entries the stream may hold, whatever the window says: a cap on the memory of Redis.',
	},
	publishTimeoutMs: durationMs(
		'Delivery',
		400,
		'How long a message may wait for Redis before this pod gets it without: other pods get it when Redis takes it.',
		50,
		10_000,
	),
	maxBufferedBytes: {
		group: 'Delivery',
		type: 'integer',
		default: 16_777_216,
		min: 65_536,
		max: 1_073_741_824,
		unit: 'bytes',
		doc: 'Most bytes that may wait for one slow client; above it its connection is cut, and it may recover.',
	},
	drainDelayMs: durationMs('Drain', 0, 'Wait between failing readiness and closing connections, for load balancers to notice.', 0, 600_000),
	drainSpreadMs: durationMs('Drain', 10_000, 'Connections are closed evenly over this long.', 0, HOUR_MS),
	drainTimeoutMs: durationMs('Drain', 30_000, 'Everything is over by then, counted from SIGTERM.', 100, 2 * HOUR_MS),
	apiPort: {
		group: 'Emit API',
		type: 'integer',
		default: 9466,
		min: 0,
		max: MAX_PORT,
		unit: 'port',
		doc: 'Port of the HTTP API that emits to clients. Open only when tokens are configured.',
	},
	apiTokens: {
		group: 'Emit API',
		type: 'list',
		default: [],
		secret: true,
		itemPattern: /^\S{16,}$/,
		shape: 'tokens of at least 16 characters',
		doc: 'Bearer tokens with full scope.',
	},
	apiTokensFile: {
		group: 'Emit API',
		type: 'string',
		default: '',
		doc: 'JSON file of tokens with scopes; read again when it changes.',
	},
	apiRatePerSecond: {
		group: 'Emit API',
		type: 'integer',
		default: 20_000,
		min: 1,
		max: 10_000_000,
		unit: 'messages/s',
		doc: 'Messages a second that one token may send through one worker.',
	},
	apiMaxBodyBytes: {
		group: 'Emit API',
		type: 'integer',
		default: 1_000_000,
		min: 1024,
		max: 100_000_000,
		unit: 'bytes',
		doc: 'Largest body of a request to the API.',
	},
	adminToken: {
		group: 'Operations',
		type: 'string',
		default: '',
		secret: true,
		pattern: KEY,
		shape: 'at least 16 characters, no spaces',
		doc: 'Bearer token for `/metrics` and `/status`. Empty: none is asked for. `/livez` and `/readyz` are always open.',
	},
	workerHeapMb: {
		group: 'Operations',
		type: 'integer',
		default: 0,
		min: 0,
		max: 65_536,
		unit: 'MiB',
		doc: "Heap limit of each worker. 0: its share of the cgroup's memory limit; without a limit, Node's default.",
	},
	workerStartTimeoutMs: durationMs(
		'Operations',
		30_000,
		'How long a worker may take to become ready before it is started again.',
		1000,
		600_000,
	),
	workerSilenceMs: durationMs(
		'Operations',
		30_000,
		'How long a worker may stay silent, as one whose event loop is blocked, before it is ended and started again. 0: for ever, as under a debugger.',
		0,
		600_000,
	),
	logLevel: {
		group: 'Operations',
		type: 'enum',
		default: 'info',
		values: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
		doc: 'Lowest level that is logged.',
	},
	logFormat: {
		group: 'Operations',
		type: 'enum',
		default: 'json',
		values: ['json', 'pretty'],
		doc: '`json` for machines, `pretty` for a terminal.',
	},
} as const satisfies Record<string, OptionSpec>;

export type OptionKey = keyof typeof OPTIONS;
type Specs = typeof OPTIONS;
type ValueOf<S> = S extends { type: 'string' }
	? string
	: S extends { type: 'integer' }
		? number
		: S extends { type: 'boolean' }
			? boolean
			: S extends { type: 'enum'; values: readonly (infer V)[] }
				? V
				: S extends { type: 'list' }
					? readonly string[]
					: S extends { type: 'workers' }
						? 'auto' | number
						: never;

/** The effective configuration: every option, validated and frozen. */
export type Config = { readonly [K in OptionKey]: ValueOf<Specs[K]> };

export const OPTION_KEYS = Object.keys(OPTIONS) as OptionKey[];

/** `drainDelayMs` -> `SOCKETFLEET_DRAIN_DELAY_MS`. */
export function envNameOf(key: OptionKey): string {
	return `SOCKETFLEET_${key.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase()}`;
}

/** `drainDelayMs` -> `--drain-delay-ms`. */
export function flagNameOf(key: OptionKey): string {
	return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function specOf(key: OptionKey): OptionSpec {
	return OPTIONS[key];
}
