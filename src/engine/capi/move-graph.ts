/** A graph that moves rows of a key/value cache on whatever device it runs. */

/**
 * ONNX (IR 10, opset 21). Inputs: cache float32 (rows, heads, capacity, headSize), parents int64 (nextRows), length
 * int64 (1), room int64 (4) = (nextRows, heads, capacity′ − length, headSize). Output: moved float32 (nextRows, heads,
 * capacity′, headSize) = Concat(Gather(Slice(cache, 0 … length, axis 2), parents, axis 0), Expand(0, room), axis 2).
 */
export const MOVE_GRAPH: Uint8Array = Buffer.from(
  'CAo6sAMKKQoFY2FjaGUKBXN0YXJ0CgZsZW5ndGgKBGF4aXMSBGtlcHQiBVNsaWNlCiwKBGtlcHQKB3BhcmVudHMSBmNob3NlbiIGR2F0aGVy' +
    'KgsKBGF4aXMYAKABAgoaCgR6ZXJvCgRyb29tEgRyZXN0IgZFeHBhbmQKKgoGY2hvc2VuCgRyZXN0EgVtb3ZlZCIGQ29uY2F0KgsKBGF4aXMY' +
    'AqABAhIEdGVzdCoVCAEQB0IFc3RhcnRKCAAAAAAAAAAAKhQIARAHQgRheGlzSggCAAAAAAAAACoQCAEQAUIEemVyb0oEAAAAAFo5CgVjYWNo' +
    'ZRIwCi4IARIqCgYSBHJvd3MKBxIFaGVhZHMKChIIY2FwYWNpdHkKCxIJaGVhZF9zaXplWh4KB3BhcmVudHMSEwoRCAcSDQoLEgluZXh0X3Jv' +
    'd3NaFAoGbGVuZ3RoEgoKCAgHEgQKAggBWhIKBHJvb20SCgoICAcSBAoCCARiQwoFbW92ZWQSOgo4CAESNAoLEgluZXh0X3Jvd3MKBxIFaGVh' +
    'ZHMKDxINbmV4dF9jYXBhY2l0eQoLEgloZWFkX3NpemVCBAoAEBVCEQoNY29tLm1pY3Jvc29mdBAB',
  'base64',
);
