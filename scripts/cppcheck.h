/* Included before every file by scripts/lint for cppcheck, which does not read the headers of libraries: their macros. */
#define json_array_foreach(array, i, v)                                                                                \
	for (i = 0; i < json_array_size(array) && (v = json_array_get(array, i)); i++)
#define json_object_foreach(object, k, v)                                                                              \
	for (k = json_object_iter_key(json_object_iter(object)); k && (v = json_object_iter_value(k)); k = next_key(k))
#define json_object_foreach_safe(object, n, k, v) json_object_foreach (object, k, v)
