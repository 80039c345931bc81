/** Rooms to go to: halls that many share, booths of which one client at a time is a member, and rooms that nobody was in before. */
import type { Account } from './account.ts';

export interface RoomCounts {
	readonly halls: number;
	readonly booths: number;
}

export class RoomPool {
	readonly #halls: readonly string[];
	readonly #booths: readonly string[];
	readonly #random: () => number;
	#fresh = 0;

	constructor({ halls, booths }: RoomCounts, random: () => number) {
		this.#halls = Array.from({ length: halls }, (_, i) => `hall-${i}`);
		this.#booths = Array.from({ length: booths }, (_, i) => `booth-${i}`);
		this.#random = random;
	}

	/** One that `account` is out of, for certain; `others` are those who may be in a booth. */
	pick(account: Account, others: readonly Account[]): string {
		const dice = this.#random();
		const free = (rooms: readonly string[]): string | undefined => rooms[Math.floor(this.#random() * rooms.length)];
		const room =
			dice < 0.5
				? free(this.#halls.filter((hall) => account.membershipOf(hall) === 'out'))
				: dice < 0.75
					? free(this.#booths.filter((booth) => others.every((other) => other.membershipOf(booth) === 'out')))
					: undefined;
		return room ?? `fresh-${++this.#fresh}`;
	}
}
