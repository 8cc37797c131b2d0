// Types of cabrank.js. What a field means is the protocol's to say (docs/PROTOCOL.md).

export type Role = "rider" | "driver" | "operator";

export interface Person {
  id: string;
  username: string;
  first_name: string;
  last_name: string;
}

export interface User extends Person {
  role: Role;
}

export interface Position {
  lat: number;
  lon: number;
}

export type Status =
  | "SCHEDULED"
  | "REQUESTED"
  | "STARTED"
  | "ARRIVED"
  | "IN_PROGRESS"
  | "COMPLETED"
  | "CANCELLED"
  | "EXPIRED";

export interface Trip {
  id: string;
  region: string;
  status: Status;
  version: number;
  pick_up_address: string;
  drop_off_address: string;
  pick_up: Position | null;
  drop_off: Position | null;
  /** Drivers who aren't the trip's see `id` and `first_name` only. */
  rider: Person | Pick<Person, "id" | "first_name">;
  driver: Person | null;
  created: string;
  updated: string;
  /** The rider's words to the driver. */
  note: string | null;
  /** The caller's own; null to drivers. */
  reference: string | null;
  /** What its driver must have. */
  needs: string[];
  /** RFC 3339, of a trip that was booked. */
  pick_up_at: string | null;
}

export interface Message {
  room: string;
  /** The room's own, from 1, without gaps. */
  seq: number;
  id: string;
  sender: Person;
  text: string;
  /** RFC 3339. */
  at: string;
}

export interface Welcome {
  user: User;
  session: string;
  region: string;
  seq: number;
  heartbeat_s: number;
  /** All that haven't ended, the SCHEDULED ones last. */
  trips: Trip[];
  open_trips: Trip[];
  recovered: boolean;
  /** Drivers alone. */
  online?: boolean;
  /** A driver's live ones; they replace what was known. */
  offers?: Offer[];
}

/** A trip that is one driver's to take, until it ends. */
export interface Offer {
  trip: Trip;
  offer: string;
  round: number;
  expires_at: string;
  /** From when it was sent, so that no clock matters. */
  expires_in_ms: number;
  pick_up_distance_m: number;
  pick_up_eta_s: number;
}

export interface Frame<Data = any> {
  type: string;
  seq?: number;
  data: Data;
}

export type Code =
  | "bad_frame"
  | "unknown_type"
  | "invalid_data"
  | "not_authenticated"
  | "bad_credentials"
  | "wrong_role"
  | "not_a_participant"
  | "trip_not_found"
  | "trip_already_taken"
  | "trip_not_open"
  | "driver_busy"
  | "rider_busy"
  | "offer_expired"
  | "wrong_status"
  | "room_forbidden"
  | "rate_limited"
  | "overloaded"
  | "unavailable";

/**
 * What requests reject with; `message` is fit to show to a user. `unavailable`: the
 * outcome is unknown.
 */
export class CabrankError extends Error {
  constructor(code: Code, message: string, retryable?: boolean);
  readonly code: Code;
  readonly retryable: boolean;
}

/**
 * `connecting`: for the first time; `reconnecting`: after a loss; `closed`: for good, until
 * `connect()`.
 */
export type State = "idle" | "connecting" | "open" | "reconnecting" | "closed";

export interface Close {
  /** The WebSocket's close code; 1000 after `close()`, 4501 where there is no token. */
  code: number;
  reason: string;
}

type TripEvent =
  | "trip.scheduled"
  | "trip.requested"
  | "trip.started"
  | "trip.arrived"
  | "trip.in_progress"
  | "trip.completed"
  | "trip.cancelled"
  | "trip.expired"
  | "trip.released"
  | "trip.snapshot";

/** Arguments of the listeners, by type. Frames are passed as `(data, frame)`. */
export type ClientEvents = {
  state: [State];
  closed: [Close];
  /** A connection was lost; what follows depends on the code. */
  disconnected: [Close];
  /** `getToken` failed, or the server said what is not JSON. */
  error: [unknown];
  welcome: [Welcome];
  notice: [Record<string, unknown>, Frame];
  "chat.message": [Message, Frame<Message>];
  "chat.joined": [{ room: string; user: Person }, Frame];
  "chat.left": [{ room: string; user: Person }, Frame];
  "trip.offered": [Offer, Frame<Offer>];
  "trip.offer_ended": [
    {
      id: string;
      offer: string;
      why: "declined" | "expired" | "taken" | "cancelled" | "withdrawn";
    },
    Frame,
  ];
  "driver.state": [
    { online: boolean; why: "self" | "missed_offers" | "operator" },
    Frame,
  ];
  "trip.taken": [{ id: string }, Frame];
  "ops.update": [Update, Frame<Update>];
  "driver.moved": [
    {
      trip: string;
      lat: number;
      lon: number;
      heading: number | null;
      at: string;
      /** To the pick-up, then to the drop-off; null where it is unknown. */
      distance_m: number | null;
      eta_s: number | null;
    },
    Frame,
  ];
  /** Every frame but `welcome` and answers. */
  "*": [Frame];
} & { [type in TripEvent]: [Trip, Frame<Trip>] };

/** South, west, north, east; west > east crosses the date line. */
export type Bounds = [number, number, number, number];

export type DriverState = "free" | "offered" | "busy" | "stale" | "offline";

/** Of a region. Times are whole seconds; null where nothing can be said. */
export interface Figures {
  free: number;
  offered: number;
  busy: number;
  stale: number;
  requested: number;
  matching: number;
  broadcast: number;
  started: number;
  arrived: number;
  in_progress: number;
  scheduled: number;
  oldest_unmatched_s: number;
  offers_per_min: number;
  accepted_share: number | null;
  wait_p50_s: number | null;
  wait_p95_s: number | null;
}

export interface Update {
  /** Id, lat, lon, heading, state, trip, age of the position in seconds. */
  drivers: [
    string,
    number | null,
    number | null,
    number | null,
    DriverState,
    string | null,
    number | null,
  ][];
  gone: string[];
  trips: Trip[];
  ended: string[];
  figures: Figures;
}

export interface WatchedDriver {
  id: string;
  /** Null where no position is known; so is `placedAt`, by the client's `timers`. */
  lat: number | null;
  lon: number | null;
  heading: number | null;
  state: DriverState;
  /** The active one. */
  trip: string | null;
  placedAt: number | null;
}

export interface WatchEvents {
  /** Anything that can be read from it. */
  change: [];
  /** Not let, or nobody there who tells; asked again by `within`, or after a reconnect. */
  refused: [CabrankError];
}

/** What an operator watches, made by `Client.watch`; asked for again after each loss. */
export interface Watch {
  readonly drivers: Map<string, WatchedDriver>;
  readonly trips: Map<string, Trip>;
  readonly figures: Figures | null;
  readonly bounds: Bounds | null;
  /** Whether that is all there is now: not so before an answer, nor while disconnected. */
  readonly whole: boolean;
  on<Type extends keyof WatchEvents>(
    type: Type,
    listener: (...args: WatchEvents[Type]) => void,
  ): () => void;
  /** Within other bounds from now on; null: all there is. */
  within(bounds: Bounds | null): this;
  /** Watch no more. What is shown stays as it is. */
  stop(): void;
}

export interface Timers {
  set(action: () => void, seconds: number): unknown;
  clear(timer: any): void;
  /** Seconds that only grow. */
  now(): number;
}

export interface Asked {
  rejected: string | false | null;
}

export interface ClientOptions {
  /** `http(s)` or `ws(s)`; without a path `/ws` is meant. Default: the page's origin. */
  url?: string | URL;
  /**
   * An access token; null: nobody is logged in, which closes. Asked for each connection
   * and at each heartbeat (25 s): answer from memory while `rejected` is null. `false`:
   * the token in use ends within a minute, give another. A string: that token was refused,
   * or has ended (4502); it is not sent again. A rejected promise is taken for an outage
   * and tried again. `Account.getToken` is one.
   */
  getToken(asked: Asked): Promise<string | null> | string | null;
  /** A cursor to come back with; default: none. */
  since?: number | null;
  /** Id of the user, where known before the first welcome: whose unsent messages to load. */
  user?: string | null;
  /** Where unsent messages are kept; null: in memory. Default: `localStorage`. */
  storage?: Storage | null;
  WebSocket?: new (url: string) => WebSocket;
  timers?: Timers;
  /** In [0, 1). */
  random?: () => number;
}

export interface RequestOptions {
  /**
   * Wait for a connection, and send again after a lost one or a retryable refusal.
   * Default: whether the data has an `idempotency_key`.
   */
  retry?: boolean;
  signal?: AbortSignal;
}

export interface TripRequest {
  pick_up_address: string;
  drop_off_address: string;
  pick_up?: Position;
  drop_off?: Position;
  /** Default: a new one. */
  idempotency_key?: string;
  /** To the driver, at most 500 characters. */
  note?: string;
  /** Your own name for it, at most 64 characters; drivers don't see it. */
  reference?: string;
  /** At most 8 tags that its driver must have. */
  needs?: string[];
  /** A `Date`, or RFC 3339: up to 30 days ahead. */
  pick_up_at?: string | Date;
}

/** What is left out stays; null takes it away. */
export interface TripChanges {
  pick_up_at?: string | Date;
  pick_up_address?: string;
  drop_off_address?: string;
  pick_up?: Position | null;
  drop_off?: Position | null;
  note?: string | null;
}

export interface Trips {
  request(trip: TripRequest): Promise<Trip>;
  /** `offer`: that one alone; without, whichever lives. */
  accept(id: string, offer?: string): Promise<Trip>;
  decline(id: string, about?: { offer?: string; reason?: string }): Promise<Trip>;
  /** Operators alone; `driver`: a user's id. */
  assign(id: string, driver: string): Promise<Trip>;
  arrive(id: string): Promise<Trip>;
  begin(id: string): Promise<Trip>;
  complete(id: string): Promise<Trip>;
  release(id: string): Promise<Trip>;
  cancel(id: string, reason?: string): Promise<Trip>;
  /** A SCHEDULED trip, by its rider or an operator. */
  reschedule(id: string, changes: TripChanges): Promise<Trip>;
  get(id: string): Promise<Trip>;
  /** `offers`: whether trips are to be offered; without, as it is. */
  online(asked?: { offers?: boolean }): Promise<{ online: boolean; offers: boolean }>;
  offline(): Promise<{ online: boolean; offers: boolean }>;
  /** False: not connected; the next position replaces it. */
  moved(position: Position & { heading?: number; speed?: number; at?: string }): boolean;
}

export interface OffersEvents {
  /** Anything that can be read from them. */
  change: [];
  offered: [Offer];
  ended: [
    Offer,
    "accepted" | "declined" | "expired" | "taken" | "cancelled" | "withdrawn",
  ];
}

/** A driver's offers that live. */
export interface Offers {
  /** The oldest first. A new array after each change. */
  readonly live: Offer[];
  on<Type extends keyof OffersEvents>(
    type: Type,
    listener: (...args: OffersEvents[Type]) => void,
  ): () => void;
}

export interface DriveOptions {
  /** Where the driver is; null: not known now. */
  position(): (Position & { heading?: number; speed?: number; at?: string }) | null;
  /** Seconds between two positions. Default: 4. */
  everyS?: number;
}

/** A shift, made by `Client.drive`. */
export interface Drive {
  /** Say the position now; false: not connected, or not known. */
  moved(): boolean;
  /** Offline; resolves once the server knows. */
  stop(): Promise<{ online: boolean; offers: boolean }>;
}

export class Client {
  /** @throws {TypeError} an option that is none, or can't be what it is */
  constructor(options: ClientOptions);
  readonly state: State;
  /** Null before the first welcome. */
  readonly user: User | null;
  readonly session: string | null;
  readonly cursor: number | null;
  readonly trips: Trips;
  readonly offers: Offers;
  connect(): void;
  close(): void;
  /** Returns a function that ends the subscription. */
  on<Type extends keyof ClientEvents>(
    type: Type,
    listener: (...args: ClientEvents[Type]) => void,
  ): () => void;
  /** A type of a later server. */
  on(type: string, listener: (data: any, frame: Frame) => void): () => void;
  /**
   * Go online, ask for offers, and say where the driver is.
   * @throws {TypeError} an option that can't be what it is
   */
  drive(options: DriveOptions): Drive;
  /** Operators alone; one object, which another `watch` moves. Default: all there is. */
  watch(bounds?: Bounds | null): Watch;
  /** @throws {CabrankError} `invalid_data` */
  room(name: string): Room;
  /** Resolves with the reply's data, rejects with a `CabrankError`. */
  request<Data = any>(type: string, data?: object, options?: RequestOptions): Promise<Data>;
  /** Send a frame that has no answer; false: not connected. */
  tell(type: string, data?: object): boolean;
}

export interface Entry {
  readonly key: string;
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** Null: never sent; else the room's newest `seq` when it was. */
  readonly tried: number | null;
  /** It was refused, and is not sent again by itself. */
  readonly failed: { code: Code; message: string } | null;
}

export interface RoomEvents {
  /** Anything that can be read from the room. */
  change: [];
  /** One that is new, not of the history. */
  message: [Message];
  /** Not let in, or sent out. */
  refused: [CabrankError];
}

/** Made by `Client.room`. */
export interface Room {
  /** As the server has it: a trip's id is in lower case. */
  readonly name: string;
  readonly joined: boolean;
  readonly error: CabrankError | null;
  readonly members: Person[];
  /** Oldest first; the latest 1,000. A new array after each change. */
  readonly messages: Message[];
  /** What `messages` doesn't show yet, oldest first. */
  readonly unsent: Entry[];
  on<Type extends keyof RoomEvents>(
    type: Type,
    listener: (...args: RoomEvents[Type]) => void,
  ): () => void;
  /**
   * Now, or as soon as there is a connection and an earlier leaving is over; and again
   * after each lost connection.
   * @throws where it was left, and `Client.room` has made another since
   */
  join(): this;
  /** For good: `Client.room` makes a new one. Resolves once the server knows. */
  leave(): Promise<void>;
  /**
   * Puts a message into the outbox, which sends it once; returns its key.
   * @throws {CabrankError}
   */
  send(text: string): string;
  /** Send a failed one again, as a new message. */
  retry(key: string): void;
  discard(key: string): void;
  /** Add what `GET /api/rooms/{room}/messages?before=` gave. */
  addEarlier(messages: Message[]): void;
}

/** Messages that no answer has come for yet; what `Room.unsent` is made of. */
export class Outbox {
  constructor(options: { storage?: Storage | null; user: string; room: string });
  readonly entries: Entry[];
}

export interface AccountOptions {
  /** Of the server; its path doesn't count. Default: the page's origin. */
  url?: string | URL;
  /** Where the refresh token is kept; null: in memory. Default: `localStorage`. */
  storage?: Storage | null;
  /** Somebody else, or nobody, is logged in: here or in another tab. */
  changed?(): void;
}

export interface SignUp {
  username: string;
  password: string;
  first_name?: string;
  last_name?: string;
  role: "rider" | "driver";
}

/** Who is logged in on this browser, over reloads and tabs. Rejects with `CabrankError`. */
export class Account {
  constructor(options?: AccountOptions);
  readonly user: User | null;
  logIn(username: string, password: string): Promise<void>;
  signUp(details: SignUp): Promise<void>;
  /** Ends the session here at once and, where the server can be reached, there. */
  logOut(): Promise<void>;
  /** The server has ended the session. */
  forget(): void;
  /** What a `Client` wants of its `getToken`. */
  getToken(asked?: Partial<Asked>): Promise<string | null>;
  /** `GET` of the HTTP API in the user's name. */
  get<Data = any>(path: string): Promise<Data>;
}

/** 1 to 64 of `A-Z a-z 0-9 _ -`. */
export function isRoomName(name: unknown): boolean;
/** An idempotency key. */
export function newKey(): string;
