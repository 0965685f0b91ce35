/* project: open a folder as a project.
 *
 * An existing repository is opened and looked at, never written. A folder without one gets it under a temporary name,
 * with its first commit inside, and only then that folder becomes `.git`: a crash in between leaves a folder that is
 * still no repository, and the next open begins anew.
 *
 * What a hostile configuration could do: libgit2 runs none of what git would (hooks, fsmonitor, filters, ssh); it does
 * honour core.worktree, so a repository whose work tree is not the folder that was named is refused. */
#include "vcs/project.h"

#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <limits.h>
#include <stdlib.h>
#include <time.h>

#include "base/fs.h"
#include "base/mem.h"
#include "vcs/beneath.h"
#include "vcs/private.h"

#define NEW_GIT ".muster-new.git"
#define FIRST_MESSAGE "Initial import"
#define FIRST_BRANCH "main"

const char *project_dir(const struct project *p)
{
	return p->dir;
}

const char *project_git_dir(const struct project *p)
{
	return p->git_dir;
}

const char *const *project_objects(const struct project *p)
{
	return (const char *const *)p->objects;
}

void project_close(struct project *p)
{
	if (!p)
		return;
	git_repository_free(p->repo);
	for (size_t i = 0; p->objects[i]; i++)
		mem_free(p->objects[i]);
	mem_free(p->dir);
	mem_free(p->git_dir);
	pthread_mutex_destroy(&p->lock);
	mem_free(p);
}

/* ---- finding out what is there ---- */

/* The absolute path without links of a folder that exists; mem_free it. */
static char *real_dir(const char *dir, struct err *e)
{
	char path[PATH_MAX], *out;

	if (fault_hit(FAULT_IO) || !realpath(dir, path)) {
		err_errno(e, errno, "%s", dir);
		return NULL;
	}
	out = mem_strdup(path);
	if (!out)
		err_nomem(e);
	return out;
}

/* Refuse a folder that lies within a repository, naming its root. */
static int refuse_inside(const char *dir, struct err *e)
{
	cleanup_free char *near = fs_existing_dir(dir), *from = near ? real_dir(near, e) : NULL;
	git_buf found = {0};
	cleanup_git(git_repository) *repo = NULL;
	int rc;

	if (!from)
		return near ? -1 : err_nomem(e);
	rc = LIBGIT(git_repository_discover(&found, from, 0, NULL));
	if (rc == GIT_ENOTFOUND)
		return 0;
	if (rc == 0)
		rc = LIBGIT(git_repository_open_ext(&repo, found.ptr, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL));
	git_buf_dispose(&found);
	if (rc)
		return libgit_err(e, rc, "%s", dir);
	if (git_repository_is_bare(repo) || !git_repository_workdir(repo))
		return err_set(e, ERR_INVALID,
			"%s is, or lies in, a bare git repository, which has no files to work on; "
			"clone it and name the clone",
			dir);
	return err_set(e, ERR_INVALID, "%s lies inside the git repository %s; name that folder, or one outside it", dir,
		git_repository_workdir(repo));
}

/* ---- a repository in a folder that has none ---- */

/* Made bare, so that nothing but the new folder is touched, and turned into one with a work tree. */
git_repository *repository_new(const char *dir, const char *git_dir, struct err *e)
{
	git_repository_init_options o = GIT_REPOSITORY_INIT_OPTIONS_INIT;
	git_repository *repo = NULL;
	git_config *config = NULL;
	int rc;

	o.flags = GIT_REPOSITORY_INIT_BARE | GIT_REPOSITORY_INIT_MKDIR | GIT_REPOSITORY_INIT_NO_REINIT;
	o.initial_head = FIRST_BRANCH;
	rc = LIBGIT(git_repository_init_ext(&repo, git_dir, &o));
	if (rc == 0)
		rc = LIBGIT(git_repository_config(&config, repo));
	if (rc == 0)
		rc = LIBGIT(git_config_set_bool(config, "core.bare", 0));
	if (rc == 0)
		rc = LIBGIT(git_config_set_bool(config, "core.logallrefupdates", 1));
	if (rc == 0)
		rc = LIBGIT(git_repository_set_workdir(repo, dir, 0));
	git_config_free(config);
	if (rc == 0)
		return repo;
	libgit_err(e, rc, "make a repository in %s", dir);
	git_repository_free(repo);
	return NULL;
}

/* ---- its first commit ---- */

struct import {
	git_repository *repo;
	git_odb_backend *memory; /* new objects gather here and become one pack; NULL: they are written one by one */
	uint64_t bytes;
	git_oid commit; /* zero: there are no files */
};

/* Comes before the memory: takes what is too large for it into files, as it is read. */
struct aside {
	git_odb_backend base;
	git_odb_backend *files;
};

static int aside_write(git_odb_stream **out, git_odb_backend *b, git_object_size_t size, git_object_t type)
{
	struct aside *a = container_of(b, struct aside, base);

	a->files->odb = b->odb; /* which is asked whether it has the object already */
	return size > CAP_FILE_WHOLE ? a->files->writestream(out, a->files, size, type) : GIT_PASSTHROUGH;
}

static void aside_free(git_odb_backend *b)
{
	struct aside *a = container_of(b, struct aside, base);

	a->files->free(a->files);
	mem_free(a);
}

/* A backend that the database, once it has it, owns. */
static int aside_new(git_repository *repo, git_odb_backend **out)
{
	cleanup_free char *objects = fs_join(git_repository_path(repo), "objects");
	struct aside *a = objects ? MEM_NEW(struct aside) : NULL;
	int rc;

	if (!a)
		return -1;
	a->base = (git_odb_backend){.version = GIT_ODB_BACKEND_VERSION, .writestream = aside_write, .free = aside_free};
	rc = LIBGIT(git_odb_backend_loose(&a->files, objects, -1, true, 0, 0));
	if (rc)
		mem_free(a);
	else
		*out = &a->base;
	return rc;
}

/* Called for each file before it is added; 1 leaves it out. */
static int before_add(const char *path, const char *spec, void *ctx)
{
	struct import *im = ctx;
	cleanup_free char *full = NULL;
	struct stat st;

	(void)spec;
	if (strncmp(path, NEW_GIT, strlen(NEW_GIT)) == 0)
		return 1;
	full = fs_join(git_repository_workdir(im->repo), path);
	if (full && im->memory && SEAM(lstat(full, &st)) == 0 && (uint64_t)st.st_size <= CAP_FILE_WHOLE)
		im->bytes += (uint64_t)st.st_size;
	return im->bytes > CAP_IMPORT_MEMORY ? GIT_EUSER : 0;
}

/* All files that are not ignored, as the first commit; none: no commit. */
static int commit_files(struct import *im)
{
	cleanup_git(git_index) *index = NULL;
	cleanup_git(git_signature) *sign = NULL;
	cleanup_git(git_tree) *tree = NULL;
	char everything[] = "*", *specs[] = {everything};
	git_strarray spec = {specs, 1};
	git_oid tree_id;
	int rc = LIBGIT(git_repository_index(&index, im->repo));

	if (rc == 0)
		rc = LIBGIT(git_index_add_all(index, &spec, GIT_INDEX_ADD_DEFAULT, before_add, im));
	if (rc == 0 && git_index_entrycount(index) == 0)
		return 0;
	if (rc == 0)
		rc = LIBGIT(git_index_write_tree(&tree_id, index));
	if (rc == 0)
		rc = LIBGIT(git_index_write(index));
	if (rc == 0)
		rc = LIBGIT(git_tree_lookup(&tree, im->repo, &tree_id));
	if (rc == 0)
		rc = LIBGIT(git_signature_new(&sign, "muster", "muster@localhost", time(NULL), 0));
	if (rc == 0)
		rc = LIBGIT(git_commit_create_v(
			&im->commit, im->repo, "HEAD", sign, sign, NULL, FIRST_MESSAGE "\n", tree, 0));
	return rc;
}

struct packing {
	const struct import *im;
	git_packbuilder *pack;
};

static int pack_object(const struct packing *p, const git_oid *id, const char *name)
{
	git_odb_backend *memory = p->im->memory;

	return memory->exists(memory, id) ? LIBGIT(git_packbuilder_insert(p->pack, id, name)) : 0;
}

static int pack_entry(const char *folder, const git_tree_entry *entry, void *ctx)
{
	(void)folder;
	return pack_object(ctx, git_tree_entry_id(entry), git_tree_entry_name(entry));
}

/* The gathered objects as a pack of the repository. (git_mempack_dump would take the others in, too.) */
static int write_pack(const struct import *im)
{
	cleanup_git(git_commit) *commit = NULL;
	cleanup_git(git_tree) *tree = NULL;
	struct packing p = {.im = im};
	int rc = LIBGIT(git_packbuilder_new(&p.pack, im->repo));

	if (rc == 0)
		rc = LIBGIT(git_commit_lookup(&commit, im->repo, &im->commit));
	if (rc == 0)
		rc = LIBGIT(git_commit_tree(&tree, commit));
	if (rc == 0)
		rc = pack_object(&p, &im->commit, NULL);
	if (rc == 0)
		rc = pack_object(&p, git_tree_id(tree), NULL);
	if (rc == 0)
		rc = git_tree_walk(tree, GIT_TREEWALK_PRE, pack_entry, &p);
	if (rc == 0)
		rc = LIBGIT(git_packbuilder_write(p.pack, NULL, 0, NULL, NULL));
	git_packbuilder_free(p.pack);
	return rc;
}

/* Give the database a backend; it is freed when that fails. */
static int add_backend(git_odb *odb, git_odb_backend *b, int priority)
{
	int rc = LIBGIT(git_odb_add_backend(odb, b, priority));

	if (rc)
		b->free(b);
	return rc;
}

/* in_memory: fast, for as much as CAP_IMPORT_MEMORY of small files; more is GIT_EUSER. */
static int import_files(git_repository *repo, bool in_memory)
{
	struct import im = {.repo = repo};
	cleanup_git(git_odb) *odb = NULL;
	git_odb_backend *aside;
	int rc = LIBGIT(git_repository_odb(&odb, repo));

	if (rc || !in_memory)
		return rc ? rc : commit_files(&im);
	rc = LIBGIT(git_mempack_new(&im.memory));
	if (rc == 0)
		rc = add_backend(odb, im.memory, 999);
	if (rc == 0)
		rc = aside_new(repo, &aside);
	if (rc == 0)
		rc = add_backend(odb, aside, 1000);
	if (rc == 0)
		rc = commit_files(&im);
	return rc || git_oid_is_zero(&im.commit) ? rc : write_pack(&im);
}

static int fill_new(const char *dir, const char *fresh, bool in_memory, struct err *e)
{
	git_repository *repo;
	int rc;

	if (fs_remove_tree(fresh, e)) /* of a crash, or of the other way */
		return -1;
	repo = repository_new(dir, fresh, e);
	if (!repo)
		return -1;
	rc = import_files(repo, in_memory);
	git_repository_free(repo);
	if (rc && rc != GIT_EUSER)
		libgit_err(e, rc, "commit the files of %s", dir);
	return rc;
}

static int make_repository(const char *dir, struct err *e)
{
	cleanup_free char *fresh = fs_join(dir, NEW_GIT), *final = fs_join(dir, ".git");
	int rc;

	if (!fresh || !final)
		return err_nomem(e);
	rc = fill_new(dir, fresh, true, e);
	if (rc == GIT_EUSER)
		rc = fill_new(dir, fresh, false, e);
	if (rc == 0)
		rc = fs_fsync_tree(fresh, e); /* libgit2 syncs objects, but not HEAD and the folders */
	if (rc == 0)
		rc = fs_rename(fresh, final, e);
	if (rc == 0)
		rc = fs_fsync_dir(dir, e);
	if (rc)
		(void)fs_remove_tree(fresh, NULL);
	return rc ? -1 : 0;
}

/* ---- opening ---- */

/* The object folders: the repository's own, and those that its info/alternates files name, in their turn. */
static int list_objects(struct project *p, struct err *e)
{
	size_t count = 1;

	p->objects[0] = fs_join(p->git_dir, "objects");
	for (size_t i = 0; i < count; i++) {
		cleanup_buf struct buf text = BUF_INIT(64 * KIB);
		cleanup_free char *file = p->objects[i] ? fs_join(p->objects[i], "info/alternates") : NULL;
		struct span rest, line;

		if (!file)
			return err_nomem(e);
		if (!fs_exists(file))
			continue;
		if (fs_read(file, &text, e))
			return -1;
		rest = buf_span(&text);
		while (span_line(&rest, &line)) {
			cleanup_free char *path = span_dup(line);

			if (line.n == 0 || line.p[0] == '#')
				continue;
			if (count > CAP_ALTERNATES)
				return err_set(e, ERR_TOO_LARGE,
					"%s borrows objects from more than %d repositories; "
					"repack it (git repack -ad)",
					p->dir, CAP_ALTERNATES);
			cleanup_free char *full = path && path[0] != '/' ? fs_join(p->objects[i], path) : steal(&path);
			if (!full)
				return err_nomem(e);
			if (!fs_is_dir(full))
				continue; /* git does so too */
			p->objects[count] = real_dir(full, e);
			if (!p->objects[count])
				return -1;
			count++;
		}
	}
	return 0;
}

static int open_repository(struct project *p, struct err *e)
{
	const char *work;
	cleanup_free char *real = NULL;
	int rc = LIBGIT(git_repository_open_ext(&p->repo, p->dir, GIT_REPOSITORY_OPEN_NO_SEARCH, NULL));

	if (rc)
		return libgit_err(
			e, rc, "%s cannot be opened as a git repository; repair it, or move its .git away", p->dir);
	work = git_repository_workdir(p->repo);
	if (git_repository_is_bare(p->repo) || !work)
		return err_set(e, ERR_INVALID,
			"%s is a bare git repository, which has no files to work on; clone it and "
			"name the clone",
			p->dir);
	real = real_dir(work, e);
	if (!real)
		return -1;
	if (strcmp(real, p->dir) != 0)
		return err_set(e, ERR_DENIED,
			"the repository in %s says that its files are in %s (core.worktree); remove that setting",
			p->dir, real);
	p->git_dir = real_dir(git_repository_commondir(p->repo), e);
	return p->git_dir ? list_objects(p, e) : -1;
}

/* ---- its state ---- */

static int head_state(struct project *p, struct project_state *st, struct err *e)
{
	cleanup_git(git_reference) *head = NULL;
	cleanup_git(git_object) *commit = NULL;
	const char *name;
	int rc = LIBGIT(git_reference_lookup(&head, p->repo, "HEAD"));

	if (rc)
		return libgit_err(e, rc, "HEAD of %s", p->dir);
	name = git_reference_symbolic_target(head);
	if (name && strncmp(name, "refs/heads/", 11) == 0)
		snprintf(st->branch, sizeof st->branch, "%s", name + 11);
	rc = LIBGIT(git_reference_peel(&commit, head, GIT_OBJECT_COMMIT));
	if (rc && git_repository_head_unborn(p->repo) == 1) {
		st->empty = true;
		return 0;
	}
	if (rc)
		return libgit_err(e, rc, "the commit of HEAD in %s", p->dir);
	git_oid_tostr(st->head, sizeof st->head, git_object_id(commit));
	return 0;
}

static int tree_state(struct project *p, struct project_state *st, struct err *e)
{
	git_status_options o = GIT_STATUS_OPTIONS_INIT;
	cleanup_git(git_status_list) *list = NULL;
	cleanup_git(git_commit) *commit = NULL;
	cleanup_git(git_tree) *tree = NULL;
	int rc;

	if (st->head[0]) {
		if (commit_find(p, st->head, &commit, e))
			return -1;
		rc = LIBGIT(git_commit_tree(&tree, commit));
		if (rc)
			return libgit_err(e, rc, "the files of HEAD in %s", p->dir);
		st->empty = git_tree_entrycount(tree) == 0;
	}
	o.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_EXCLUDE_SUBMODULES |
		  GIT_STATUS_OPT_NO_REFRESH; /* the person's index is not written */
	rc = LIBGIT(git_status_list_new(&list, p->repo, &o));
	if (rc && land_mend(p) == 0)
		rc = LIBGIT(git_status_list_new(&list, p->repo, &o));
	if (rc)
		return libgit_err(e, rc, "the state of %s", p->dir);
	st->dirty = git_status_list_entrycount(list) > 0;
	return 0;
}

/* Make the folder and its repository where they are missing. */
static int prepare(const char *dir, bool *created, struct err *e)
{
	cleanup_free char *git = fs_join(dir, ".git");

	if (!git)
		return err_nomem(e);
	if (fs_exists(git))
		return 0;
	if (refuse_inside(dir, e))
		return -1;
	if (fs_exists(dir) && !fs_is_dir(dir))
		return err_set(e, ERR_INVALID, "%s is a file; a project is a folder", dir);
	*created = true;
	return fs_mkdirs_durable(dir, 0755, e) || make_repository(dir, e) ? -1 : 0;
}

struct project *project_open(const char *dir, struct project_state *st, struct err *e)
{
	struct project *p;
	bool created = false;

	if (st)
		*st = (struct project_state){.created = false};
	if (!*dir) {
		err_set(e, ERR_INVALID, "the project's folder has no name; give one, such as --project .");
		return NULL;
	}
	if (libgit_setup(e) || prepare(dir, &created, e))
		return NULL;
	p = MEM_NEW(struct project);
	if (!p) {
		err_nomem(e);
		return NULL;
	}
	pthread_mutex_init(&p->lock, NULL);
	p->dir = real_dir(dir, e);
	if (!p->dir || open_repository(p, e) || (st && (head_state(p, st, e) || tree_state(p, st, e)))) {
		project_close(p);
		return NULL;
	}
	if (st)
		st->created = created;
	else
		git_repository__cleanup(p->repo); /* read again when first used: many runs never do */
	return p;
}
