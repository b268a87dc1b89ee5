package measure

// MemcgPointer is what a memory cgroup is charged for each slab object on top of
// its size, in bytes: the pointer to the object's obj_cgroup (obj_full_size in
// mm/slub.c, before 6.9 in mm/slab.h; Linux 5.9). It is 8 bytes on 64-bit kernels.
const MemcgPointer = 8
