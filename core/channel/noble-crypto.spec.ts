import { channelCryptoContract } from './crypto.contract.ts';
import { nobleCrypto } from './noble-crypto.ts';

channelCryptoContract('noble', nobleCrypto);
