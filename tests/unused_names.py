"""Names that nothing in the tree reads and that stay: `vulture` takes this file for their use.

Each stands under its reason; what fits under none is dead and goes.
"""

# PyTorch's names, for users to call.
_.abbreviated
_.allow_bf16_reduced_precision_reduction
_.allow_fp16_accumulation
_.allow_fp16_reduced_precision_reduction
_.check_available
_.fp32_precision
_.including_emulation
_.volatile
_.CUDA
_.MTIA
_.XPU
_.check_device
_.check_layout
_.exclude_tags
_.new_strategy
_.recursive
_.get_all_sharing_strategies
_.get_sharing_strategy
_.set_sharing_strategy
_.spawn
_.the_type
_.is_cuda
_.CUDNN_ATTENTION
_.set_epoch
_.set_default_validate_args
_.sample_n
_.perplexity
_.with_cache
_.forward_shape
_.inverse_shape
_.EFFICIENT_ATTENTION
_.ERROR
_.OVERRIDEABLE
_.sdpa_kernel
_.set_priority
_.all_weights
_.to_dense
_.multihead_attn
_.update_parameters
_.is_enabled
_.get_growth_factor
_.set_growth_factor
_.get_backoff_factor
_.set_backoff_factor
_.get_growth_interval
_.set_growth_interval
_.flatten_parameters
_.allow_retain_graph
_.log_prob
_.output_device
_.explain
_.from_pretrained
_.get_buffer
_.get_parameter
_.grad_fn
_.clone_state
_.ndimension
_.nelement
_.popitem
_.new_empty
_.new_ones
_.new_zeros
_.register_forward_hook
_.register_forward_pre_hook
_.register_load_state_dict_post_hook
_.register_load_state_dict_pre_hook
_.register_module
_.mark_dirty
_.mark_non_differentiable
_.needs_input_grad
_.save_for_backward
_.save_for_forward
_.generate_vmap_rule
_.output_nr
_.ownership_token
_.device_type
_.pin_memory
_.pack_hook
_.unpack_hook
_.saved_tensors
_.set_materialize_grads
_.register_backward_hook
_.register_full_backward_hook
_.register_full_backward_pre_hook
_.register_post_accumulate_grad_hook
_.register_prehook
_.register_state_dict_post_hook
_.retains_grad
_.set_submodule
_.share_memory
_.T_destination
_.cayley
_.cuda
_.dump_patches
_.ipu
_.mtia
_.to_empty
_.xpu
_.register_state_dict_pre_hook
_.register_step_post_hook
_.register_step_pre_hook
_.set_
_.sgn
_.swapaxes_
_.swapdims_
_._register_load_state_dict_pre_hook
_._register_state_dict_hook

# Methods of Tensor under other names (`float`, which a module could not define and still use).
_.to_bfloat16
_.to_byte
_.to_char
_.to_double
_.to_float
_.to_half
_.to_int
_.to_long
_.to_short

# PyTorch's options that change nothing here.
_.assume_unique
_.early_stop
_.masked_grad
_.memory_format
_.non_blocking
_.sparse_grad
_.stable

# Attributes that Python and other packages read, methods that they call.
_.reducer_override
_.__qualname__
_.__signature__
_.__str__
_.data_location
_.execution_mode
_.graph_optimization_level
_.inter_op_num_threads
_.intra_op_num_threads
_.enable_profiling
_.optimized_model_filepath
_.profile_file_prefix
_.log_severity_level
_.optimized_model_filepath
_.transform_module

_.fullgraph
# Tools of tests, and of people who look into a graph.
_.drop_state
_.from_cache
_.observed
_.samples

# What lives only as long as it is held.
_._holder

# Options that a decorator reads from the signature of a constructor.
_.amsgrad
_.max_iter
_.max_eval
_.tolerance_grad
_.tolerance_change
_.history_size
_.line_search_fn
_.kernel_options
_.token_q
_.token_kv
_.from_kv_blocks
_.capturable
_.decoupled_weight_decay
_.initial_accumulator_value
_.maximize

# Fields of named tuples, which users read.
_.bin_edges
_.hist
_.logabsdet
_.Q
_.R
_.S
_.U
_.V
_.Vh
_.eigenvalues
_.eigenvectors
_.residuals
_.singular_values
_.solution

# einops calls these.
_.framework_name
_.is_appropriate_type
_.stack_on_zeroth_dimension
_.add_axes
_.is_float_type
_._create_parameters
_._create_rearrange_layers
